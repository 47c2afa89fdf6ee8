// SPDX-License-Identifier: Apache-2.0
#include "disk.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static int read_at(void *ctx, uint64_t at, uint8_t *to, size_t n)
{
    const struct disk *d = ctx;

    while (n > 0) {
        const ssize_t got = pread(d->fd, to, n, (off_t)at);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            errno = got == 0 ? EIO : errno;
            return KAPU_EIO;
        }
        to += got;
        at += (uint64_t)got;
        n -= (size_t)got;
    }
    return 0;
}

static int write_at(void *ctx, uint64_t at, const uint8_t *from, size_t n)
{
    const struct disk *d = ctx;

    while (n > 0) {
        const ssize_t put = pwrite(d->fd, from, n, (off_t)at);

        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0) {
            errno = put == 0 ? EIO : errno;
            return KAPU_EIO;
        }
        from += put;
        at += (uint64_t)put;
        n -= (size_t)put;
    }
    return 0;
}

/* To forget: Linux gives up what it holds of it in memory, so that the medium is read. */
static int sync_all(void *ctx, bool forget)
{
    const struct disk *d = ctx;

    if (fsync(d->fd) != 0)
        return KAPU_EIO;
    if (forget)
        (void)posix_fadvise(d->fd, 0, 0, POSIX_FADV_DONTNEED);
    return 0;
}

int disk_open(struct disk *d, const char *path, bool writable, struct disk_port *port)
{
    off_t size;

    /* O_EXCL of a block device: nobody has it mounted or mapped (open(2)). */
    d->fd = open(path, (writable ? O_RDWR | O_EXCL : O_RDONLY) | O_CLOEXEC);
    size = d->fd >= 0 ? lseek(d->fd, 0, SEEK_END) : -1;
    *port = (struct disk_port){.ctx = d,
                               .size = size > 0 ? (uint64_t)size : 0,
                               .read = read_at,
                               .write = write_at,
                               .sync = sync_all};
    return size > 0 ? 0 : KAPU_EIO;
}

void disk_close(struct disk *d)
{
    if (d->fd >= 0)
        (void)close(d->fd);
    d->fd = -1;
}
