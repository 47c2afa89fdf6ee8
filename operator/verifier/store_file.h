/* SPDX-License-Identifier: Apache-2.0 */
/* The file that the store is, and what lies beside it. */
#ifndef KAPU_STORE_FILE_H
#define KAPU_STORE_FILE_H

#include <stdbool.h>
#include <stddef.h>

#define STORE_URI_MAX 12300u /* three for each byte of a path */

/* Whether there is such a file, in a folder in which this user can make none. */
bool store_folder_is_read_only(const char *path);
/* Whether changes are in PATH-wal that are not in the file yet: without them it shows an old state.
 * true also when that cannot be told. */
bool store_has_changes_beside(const char *path);
/* The file as an SQLite URI that says that nobody changes it while it is read. false: no room. */
bool store_uri(const char *path, char *to, size_t n);

#endif
