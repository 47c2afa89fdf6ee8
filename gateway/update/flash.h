/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NOR flash behind a cache of one erase sector, so that blocks can be written one after another.
 * The sector is read when the first block in it is written, and written back when another one is
 * begun, or by flash_flush: erased unless it was blank, written, read back and compared. One that
 * did not change is left alone: flash wears out.
 *
 * A power cut loses at most that sector: what is there afterwards are bits of neither. The
 * installer finds its blocks to be wrong, and makes them anew: with sectors of 256 KiB and frames
 * of 64 KiB, that is four frames, or five when frames lie across the ends of sectors.
 *
 * Memory: the caller's; `buffer` of port.sector bytes. Errors: 0, what the port says, KAPU_ERANGE
 * (outside the flash), KAPU_EIO (it does not hold what was written).
 */
#ifndef KAPU_UPDATE_FLASH_H
#define KAPU_UPDATE_FLASH_H

#include <kapu/bytes.h>

#define FLASH_SECTOR_MAX (256u << 10)

/* NOR flash: a write clears bits, only an erase sets them. */
struct flash_port {
    void *ctx;
    uint64_t size;   /* bytes: whole sectors */
    uint32_t sector; /* bytes of an erase sector, at most FLASH_SECTOR_MAX */
    int (*read)(void *ctx, uint64_t at, uint8_t *to, size_t n);
    int (*erase)(void *ctx, uint64_t at); /* the sector that begins there */
    int (*write)(void *ctx, uint64_t at, const uint8_t *from, size_t n);
};

struct flash {
    struct flash_port port;
    uint8_t *buffer;
    uint64_t at; /* of the sector that is held */
    bool held, changed, blank;
    uint32_t erased, written; /* sectors: figures */
};

/* KAPU_EARG: sizes that no flash has. */
KAPU_MUST_CHECK int flash_begin(struct flash *f, const struct flash_port *port, uint8_t *buffer);
/* Sees what was written and is not in the flash yet. */
KAPU_MUST_CHECK int flash_read(struct flash *f, uint64_t at, uint8_t *to, size_t n);
KAPU_MUST_CHECK int flash_write(struct flash *f, uint64_t at, const uint8_t *from, size_t n);
/* After it, reads come from the flash. */
KAPU_MUST_CHECK int flash_flush(struct flash *f);

/* ---- mtd.c: the port, bound to an MTD character device of Linux ---- */

struct flash_device {
    int fd;
};

/* KAPU_EIO: errno says why. KAPU_EUNSUPPORTED: it is not NOR flash, or its sectors are too large.
 */
KAPU_MUST_CHECK int flash_device_open(struct flash_device *d, const char *path, bool writable,
                                      struct flash_port *port);
void flash_device_close(struct flash_device *d);

#endif
