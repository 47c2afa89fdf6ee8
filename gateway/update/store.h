/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files in the state folder of a service: the writer of updates, kapu-link. A file is there whole
 * or not at all, and one that was written stays, also when the power goes. What they hold is
 * Linux's own memory: nobody is protected by it.
 *
 * Errors: 0; KAPU_ENOENT (no such file); KAPU_ERANGE (it is larger than the room for it);
 * KAPU_EIO, with errno as the system left it: ENOSPC among others.
 */
#ifndef KAPU_UPDATE_STORE_H
#define KAPU_UPDATE_STORE_H

#include <kapu/bytes.h>

struct store {
    int folder;
};

KAPU_MUST_CHECK int store_open(struct store *s, const char *path);
void store_close(struct store *s);

KAPU_MUST_CHECK int store_read(const struct store *s, const char *name, uint8_t *to, size_t room,
                               size_t *n);
KAPU_MUST_CHECK int store_write(const struct store *s, const char *name, struct bytes content);
/* One that is not there is removed already. */
KAPU_MUST_CHECK int store_remove(const struct store *s, const char *name);
/* In place of what has the new name. */
KAPU_MUST_CHECK int store_rename(const struct store *s, const char *from, const char *to);

#endif
