// SPDX-License-Identifier: Apache-2.0
#include "flash.h"

#include <string.h>

#define PART 4096u /* bytes that are compared at a time */
#define BLANK 0xffu

int flash_begin(struct flash *f, const struct flash_port *port, uint8_t *buffer)
{
    *f = (struct flash){.port = *port, .buffer = buffer};
    return port->sector == 0 || port->sector > FLASH_SECTOR_MAX || port->size % port->sector != 0
               ? KAPU_EARG
               : 0;
}

static bool outside(const struct flash *f, uint64_t at, size_t n)
{
    return at > f->port.size || n > f->port.size - at;
}

static bool is_blank(const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (p[i] != BLANK)
            return false;
    }
    return true;
}

static int compare(const struct flash *f)
{
    uint8_t is[PART];
    size_t some;

    for (size_t at = 0; at < f->port.sector; at += some) {
        int err;

        some = f->port.sector - at < sizeof(is) ? f->port.sector - at : sizeof(is);
        err = f->port.read(f->port.ctx, f->at + at, is, some);
        if (err != 0)
            return err;
        if (memcmp(is, f->buffer + at, some) != 0)
            return KAPU_EIO;
    }
    return 0;
}

static int write_back(struct flash *f)
{
    int err = 0;

    if (!f->blank) {
        err = f->port.erase(f->port.ctx, f->at);
        f->erased++;
    }
    if (err == 0)
        err = f->port.write(f->port.ctx, f->at, f->buffer, f->port.sector);
    if (err == 0)
        err = compare(f);
    if (err == 0)
        f->written++;
    return err;
}

/* What was held is forgotten also after an error: it is looked for in the flash again. */
int flash_flush(struct flash *f)
{
    int err = f->held && f->changed ? write_back(f) : 0;

    f->held = f->changed = false;
    return err;
}

static int hold(struct flash *f, uint64_t sector)
{
    int err;

    if (f->held && f->at == sector)
        return 0;
    err = flash_flush(f);
    if (err == 0)
        err = f->port.read(f->port.ctx, sector, f->buffer, f->port.sector);
    if (err != 0)
        return err;
    f->at = sector;
    f->held = true;
    f->blank = is_blank(f->buffer, f->port.sector);
    return 0;
}

static int write_in_sector(struct flash *f, uint64_t at, const uint8_t *from, size_t n)
{
    const size_t in = (size_t)(at % f->port.sector);
    int err = hold(f, at - in);

    if (err != 0 || memcmp(f->buffer + in, from, n) == 0)
        return err;
    memcpy(f->buffer + in, from, n);
    f->changed = true;
    return 0;
}

/* Bytes from there on that are in the same sector. */
static size_t in_sector(const struct flash *f, uint64_t at, size_t n)
{
    const size_t left = f->port.sector - (size_t)(at % f->port.sector);

    return n < left ? n : left;
}

int flash_write(struct flash *f, uint64_t at, const uint8_t *from, size_t n)
{
    int err = outside(f, at, n) ? KAPU_ERANGE : 0;
    size_t some;

    for (; err == 0 && n > 0; at += some, from += some, n -= some) {
        some = in_sector(f, at, n);
        err = write_in_sector(f, at, from, some);
    }
    return err;
}

int flash_read(struct flash *f, uint64_t at, uint8_t *to, size_t n)
{
    int err = outside(f, at, n) ? KAPU_ERANGE : 0;
    size_t some;

    for (; err == 0 && n > 0; at += some, to += some, n -= some) {
        const uint64_t sector = at - at % f->port.sector;

        some = in_sector(f, at, n);
        if (f->held && f->at == sector)
            memcpy(to, f->buffer + (at - sector), some);
        else
            err = f->port.read(f->port.ctx, at, to, some);
    }
    return err;
}
