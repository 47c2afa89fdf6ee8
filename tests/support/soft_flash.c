// SPDX-License-Identifier: Apache-2.0
/* The port of flash.h on a plain file, with what NOR flash does: a write clears bits only. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "flash.h"
#include "soft_update.h"

static int read_at(void *ctx, uint64_t at, uint8_t *to, size_t n)
{
    const struct flash_device *d = ctx;

    return pread(d->fd, to, n, (off_t)at) == (ssize_t)n ? 0 : KAPU_EIO;
}

static int erase(void *ctx, uint64_t at)
{
    static uint8_t blank[SOFT_SECTOR];
    const struct flash_device *d = ctx;

    memset(blank, 0xff, sizeof(blank));
    return pwrite(d->fd, blank, sizeof(blank), (off_t)at) == (ssize_t)sizeof(blank) ? 0 : KAPU_EIO;
}

static int write_at(void *ctx, uint64_t at, const uint8_t *from, size_t n)
{
    static uint8_t is[SOFT_SECTOR];
    const struct flash_device *d = ctx;

    if (n > sizeof(is) || read_at(ctx, at, is, n) != 0)
        return KAPU_EIO;
    for (size_t i = 0; i < n; i++)
        is[i] &= from[i];
    return pwrite(d->fd, is, n, (off_t)at) == (ssize_t)n ? 0 : KAPU_EIO;
}

int flash_device_open(struct flash_device *d, const char *path, bool writable,
                      struct flash_port *port)
{
    off_t size;

    d->fd = open(path, (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC);
    size = d->fd >= 0 ? lseek(d->fd, 0, SEEK_END) : -1;
    if (size <= 0)
        return KAPU_EIO;
    *port = (struct flash_port){.ctx = d,
                                .size = (uint64_t)size,
                                .sector = SOFT_SECTOR,
                                .read = read_at,
                                .erase = erase,
                                .write = write_at};
    return 0;
}

void flash_device_close(struct flash_device *d)
{
    (void)close(d->fd);
}
