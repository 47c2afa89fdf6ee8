/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KAPU_RELEASE_SHOW_H
#define KAPU_RELEASE_SHOW_H

#include "release_file.h"

/* What a file says and by which keys it is signed, on stdout; whether the signatures hold is not
 * looked at. */
void release_show_text(const char *path, const struct release_file_read *f);
/* A JSON object, with no line after it. */
void release_show_json(const char *path, const struct release_file_read *f);

#endif
