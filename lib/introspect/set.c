// SPDX-License-Identifier: Apache-2.0
/* A set of addresses with a number each, in the caller's work memory: open addressing, 16 bytes an
 * entry, at most three quarters full. */
#include "internal.h"

#include <string.h>

#define ENTRY 16u

static uint32_t capacity(const struct introspect *in)
{
    return (uint32_t)(in->work_n / ENTRY);
}

void set_clear(struct introspect *in)
{
    memset(in->work, 0, in->work_n);
    in->set_n = 0;
}

static void put_u64(uint8_t *p, uint64_t v)
{
    for (unsigned i = 0; i < 8; i++)
        p[i] = (uint8_t)(v >> 8 * i);
}

static uint8_t *find(const struct introspect *in, uint64_t key)
{
    uint64_t h = (key >> 4) * 0x9e3779b97f4a7c15ull;
    uint32_t n = capacity(in), i = (uint32_t)((h >> 32) % n);

    for (uint32_t steps = 0; steps < n; steps++) {
        uint8_t *e = in->work + (size_t)i * ENTRY;
        uint64_t found = kapu_le64(e);

        if (found == key || found == 0)
            return e;
        i = i + 1 == n ? 0 : i + 1;
    }
    return NULL;
}

int set_or(struct introspect *in, uint64_t key, uint64_t bits)
{
    uint8_t *e = key != 0 ? find(in, key) : NULL;

    if (e == NULL)
        return key != 0 ? KAPU_ESPACE : 0;
    if (kapu_le64(e) == 0) {
        if (in->set_n >= capacity(in) / 4 * 3)
            return KAPU_ESPACE;
        in->set_n++;
        put_u64(e, key);
    }
    put_u64(e + 8, kapu_le64(e + 8) | bits);
    return 0;
}

uint64_t set_get(const struct introspect *in, uint64_t key)
{
    const uint8_t *e = key != 0 ? find(in, key) : NULL;

    return e != NULL && kapu_le64(e) == key ? kapu_le64(e + 8) : 0;
}

int set_each(struct introspect *in, set_fn fn, void *ctx)
{
    uint32_t n = capacity(in);
    int err = 0;

    for (uint32_t i = 0; err == 0 && i < n; i++) {
        const uint8_t *e = in->work + (size_t)i * ENTRY;

        if (kapu_le64(e) != 0)
            err = fn(in, kapu_le64(e), kapu_le64(e + 8), ctx);
    }
    return err;
}
