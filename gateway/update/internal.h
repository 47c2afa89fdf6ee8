/* SPDX-License-Identifier: Apache-2.0 */
/* What writer.c and answer.c share. */
#ifndef KAPU_UPDATE_INTERNAL_H
#define KAPU_UPDATE_INTERNAL_H

#include "writer.h"

/* Asks the TA for its state. 0 or KAPU_EIO; then the stage is UPDATE_CLOSED. */
KAPU_MUST_CHECK int writer_refresh(struct writer *w);
/* What the TA is asked about an order; views into it. */
struct update_request writer_request_of(const struct order *o);

#endif
