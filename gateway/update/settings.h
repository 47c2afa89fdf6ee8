/* SPDX-License-Identifier: Apache-2.0 */
/* Where the server of releases is: a line of the operator's settings, in the verified root image.
 */
#ifndef KAPU_UPDATE_SETTINGS_H
#define KAPU_UPDATE_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>

#define SETTINGS_FILE "/etc/kapu/operator"

/* The value of `releases=`. false: says what is wrong with which file. */
bool settings_releases(const char *path, char *to, size_t n);

#endif
