/* SPDX-License-Identifier: Apache-2.0 */
/* kapu inspect --picture: what each page of memory is, as SVG. */
#ifndef KAPU_CLI_PICTURE_H
#define KAPU_CLI_PICTURE_H

#include "inspect_result.h"

/* Whether one may be written there: there is no file, or an older picture. Else -1 after saying
 * why. */
int picture_may_write(const char *path);
/* 0, or -1 with a message on standard error. */
int write_picture(const char *path, const struct result *r);

#endif
