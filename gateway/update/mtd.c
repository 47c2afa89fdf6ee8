// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <mtd/mtd-user.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "flash.h"

static int read_at(void *ctx, uint64_t at, uint8_t *to, size_t n)
{
    const struct flash_device *d = ctx;

    while (n > 0) {
        const ssize_t got = pread(d->fd, to, n, (off_t)at);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return KAPU_EIO;
        to += got;
        at += (uint64_t)got;
        n -= (size_t)got;
    }
    return 0;
}

static int erase(void *ctx, uint64_t at)
{
    const struct flash_device *d = ctx;
    struct mtd_info_user info;
    struct erase_info_user64 what = {.start = at};

    if (ioctl(d->fd, MEMGETINFO, &info) != 0)
        return KAPU_EIO;
    what.length = info.erasesize;
    return ioctl(d->fd, MEMERASE64, &what) == 0 ? 0 : KAPU_EIO;
}

static int write_at(void *ctx, uint64_t at, const uint8_t *from, size_t n)
{
    const struct flash_device *d = ctx;

    while (n > 0) {
        const ssize_t put = pwrite(d->fd, from, n, (off_t)at);

        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return KAPU_EIO;
        from += put;
        at += (uint64_t)put;
        n -= (size_t)put;
    }
    return 0;
}

int flash_device_open(struct flash_device *d, const char *path, bool writable,
                      struct flash_port *port)
{
    struct mtd_info_user info;

    d->fd = open(path, (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC);
    if (d->fd < 0 || ioctl(d->fd, MEMGETINFO, &info) != 0)
        return KAPU_EIO;
    *port = (struct flash_port){.ctx = d,
                                .size = info.size,
                                .sector = info.erasesize,
                                .read = read_at,
                                .erase = erase,
                                .write = write_at};
    return info.type == MTD_NORFLASH && info.erasesize <= FLASH_SECTOR_MAX ? 0 : KAPU_EUNSUPPORTED;
}

void flash_device_close(struct flash_device *d)
{
    if (d->fd >= 0)
        (void)close(d->fd);
    d->fd = -1;
}
