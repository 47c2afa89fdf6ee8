/* SPDX-License-Identifier: Apache-2.0 */
/* Where files are: "http://HOST[:PORT][/PATH]", and nothing besides that a URL may have. */
#ifndef KAPU_UPDATE_BASE_H
#define KAPU_UPDATE_BASE_H

#include "fetch.h"

/* Copies it, without a slash at its end. False: it is not such a URL. */
KAPU_MUST_CHECK bool base_copy(char to[FETCH_BASE_MAX + 1], const char *base);

#endif
