// SPDX-License-Identifier: Apache-2.0
#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define UNFINISHED "unfinished" /* the file that is being written */

int store_open(struct store *s, const char *path)
{
    s->folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (s->folder < 0)
        return KAPU_EIO;
    if (faccessat(s->folder, UNFINISHED, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
        (void)unlinkat(s->folder, UNFINISHED, 0); /* of a cut: it may hold the key of an order */
    return 0;
}

void store_close(struct store *s)
{
    if (s->folder >= 0)
        (void)close(s->folder);
    s->folder = -1;
}

/* Up to `room` bytes and one more: to see that there are more. */
static int read_all(int fd, uint8_t *to, size_t room, size_t *n)
{
    uint8_t more;

    for (*n = 0;;) {
        const ssize_t got = *n < room ? read(fd, to + *n, room - *n) : read(fd, &more, 1);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got == 0 ? 0 : KAPU_EIO;
        if (*n == room)
            return KAPU_ERANGE;
        *n += (size_t)got;
    }
}

int store_read(const struct store *s, const char *name, uint8_t *to, size_t room, size_t *n)
{
    const int fd = openat(s->folder, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    int err;

    *n = 0;
    if (fd < 0)
        return errno == ENOENT ? KAPU_ENOENT : KAPU_EIO;
    err = read_all(fd, to, room, n);
    (void)close(fd);
    return err;
}

static int write_all(int fd, struct bytes content)
{
    while (content.n > 0) {
        const ssize_t put = write(fd, content.p, content.n);

        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return KAPU_EIO;
        content.p += put;
        content.n -= (size_t)put;
    }
    return fsync(fd) == 0 ? 0 : KAPU_EIO;
}

/* The names in the folder are lasting. */
static int sync_folder(const struct store *s)
{
    return fsync(s->folder) == 0 ? 0 : KAPU_EIO;
}

int store_write(const struct store *s, const char *name, struct bytes content)
{
    const int fd =
        openat(s->folder, UNFINISHED, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    int err = fd >= 0 ? write_all(fd, content) : KAPU_EIO, why = errno;

    if (fd >= 0 && close(fd) != 0 && err == 0) {
        err = KAPU_EIO;
        why = errno;
    }
    if (err == 0)
        return store_rename(s, UNFINISHED, name);
    (void)unlinkat(s->folder, UNFINISHED, 0); /* it may hold the room that others need */
    errno = why;
    return err;
}

int store_remove(const struct store *s, const char *name)
{
    if (unlinkat(s->folder, name, 0) != 0)
        return errno == ENOENT ? 0 : KAPU_EIO;
    return sync_folder(s);
}

int store_rename(const struct store *s, const char *from, const char *to)
{
    if (renameat(s->folder, from, s->folder, to) != 0)
        return errno == ENOENT ? KAPU_ENOENT : KAPU_EIO;
    return sync_folder(s);
}
