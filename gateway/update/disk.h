/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A block device, or a file that stands for one, as the writer of updates sees it. The port is what
 * tests replace; disk_open binds it to Linux.
 *
 * Errors: 0 or KAPU_EIO, with errno as the system left it.
 */
#ifndef KAPU_UPDATE_DISK_H
#define KAPU_UPDATE_DISK_H

#include <kapu/bytes.h>

struct disk_port {
    void *ctx;
    uint64_t size; /* bytes */
    int (*read)(void *ctx, uint64_t at, uint8_t *to, size_t n);
    int (*write)(void *ctx, uint64_t at, const uint8_t *from, size_t n);
    /* All that was written is on the medium; `forget`: and is read from there afterwards. */
    int (*sync)(void *ctx, bool forget);
};

struct disk {
    int fd;
};

/* Opens a device; writable ones so that nothing else has it at the same time. */
KAPU_MUST_CHECK int disk_open(struct disk *d, const char *path, bool writable,
                              struct disk_port *port);
void disk_close(struct disk *d);

#endif
