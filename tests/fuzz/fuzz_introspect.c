// SPDX-License-Identifier: Apache-2.0
/*
 * The model kernel with changes anywhere in its memory, profile and allow-list. Each record of the
 * input changes one 64-bit word, or makes one pointer lead to another place of the memory; then all
 * checks and listings run. Whatever is there, they end, and read nothing outside of RAM.
 *
 *   record: where (1): 0 profile, 1 allow-list, others memory; offset (3, little-endian); value
 * (8); with the highest bit of `where` the value is an offset in memory and becomes a linear
 * address
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "kernel_model.h"

#define RECORD 12u
#define RECORDS_MAX 64u

static struct kernel_model clean, model;

/* Not a cryptographic hash: fast, and different for different pages. */
static int fake_hash(void *ctx, const struct bytes *part, size_t parts, uint8_t out[32])
{
    uint64_t h = 0xcbf29ce484222325ull;

    (void)ctx;
    for (size_t i = 0; i < parts; i++) {
        for (size_t j = 0; j + 8 <= part[i].n; j += 8)
            h = (h ^ kapu_le64(part[i].p + j)) * 0x100000001b3ull;
    }
    for (unsigned i = 0; i < 32; i++)
        out[i] = (uint8_t)(h >> 8 * (i % 8));
    return 0;
}

static int any_task(void *ctx, const struct introspect_task *t)
{
    (void)ctx;
    return strlen(t->comm) < sizeof(t->comm) && strlen(t->exe) < sizeof(t->exe) ? 0 : (abort(), 0);
}

static int any_module(void *ctx, const struct introspect_module *m)
{
    (void)ctx;
    return strlen(m->name) < sizeof(m->name) ? 0 : (abort(), 0);
}

static int any_socket(void *ctx, const struct introspect_socket *s)
{
    (void)ctx;
    return strlen(s->comm) < sizeof(s->comm) ? 0 : (abort(), 0);
}

static int any_code(void *ctx, const struct introspect_code *c)
{
    (void)ctx;
    return strlen(c->file) < sizeof(c->file) ? 0 : (abort(), 0);
}

static int any_pages(void *ctx, uint64_t pa, uint32_t pages, enum introspect_page kind)
{
    (void)ctx;
    return pa >= MODEL_RAM_BASE && pages > 0 && kind < INTROSPECT_PAGES ? 0 : (abort(), 0);
}

static void any_finding(void *ctx, const struct finding *f)
{
    (void)ctx;
    if (strlen(f->id) == 0 || strlen(f->object) >= sizeof(f->object) ||
        strlen(f->detail) >= sizeof(f->detail))
        abort();
}

static void change(const uint8_t *r)
{
    uint32_t offset = r[1] | (uint32_t)r[2] << 8 | (uint32_t)r[3] << 16;
    uint64_t value = kapu_le64(r + 4);
    uint8_t *to = model.ram;
    size_t n = sizeof(model.ram);

    if ((r[0] & 0x7f) == 0) {
        to = model.profile;
        n = model.profile_n;
    } else if ((r[0] & 0x7f) == 1) {
        to = model.allow;
        n = model.allow_n;
    }
    if ((r[0] & 0x80) != 0)
        value = MODEL_LINEAR + value % MODEL_RAM_SIZE;
    offset %= (uint32_t)n - 7;
    for (unsigned i = 0; i < 8; i++)
        to[offset + i] = (uint8_t)(value >> 8 * i);
}

/* In memory of their own, that ends where they do: what is read behind them is noticed. */
static void apart(struct bytes *b, uint8_t **memory)
{
    if (*memory == NULL)
        *memory = malloc(b->n);
    if (*memory == NULL)
        abort();
    memcpy(*memory, b->p, b->n);
    b->p = *memory;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct kapu_sha256 sha = {fake_hash, NULL};
    const struct introspect_check *table;
    struct introspect_setup setup;
    static struct introspect in;
    static uint8_t *profile, *allow;
    size_t n = introspect_checks(&table);

    if (clean.profile_n == 0)
        model_build(&clean, sha);
    memcpy(&model, &clean, sizeof(model));
    for (size_t i = 0; i < RECORDS_MAX && RECORD <= size - i * RECORD && i * RECORD < size; i++)
        change(data + i * RECORD);
    model_seal(&model, sha); /* else all that was changed there would be refused as damaged */
    setup = model_setup(&model, sha);
    apart(&setup.profile, &profile);
    apart(&setup.allow, &allow);
    setup.attempts = 2;
    setup.report = any_finding;
    setup.reads_max = 20000;
    if (introspect_init(&in, &setup) != 0)
        return 0;
    if (introspect_locate(&in, &model.regs, 1) != 0 && introspect_locate(&in, NULL, 0) != 0)
        return 0;
    for (size_t i = 0; i < n; i++) {
        int result = introspect_run(&in, &table[i]);

        if (size == 0 && result != 0)
            abort(); /* the model itself is clean */
    }
    (void)!introspect_tasks(&in, any_task, NULL);
    (void)!introspect_modules(&in, any_module, NULL);
    (void)!introspect_sockets(&in, any_socket, NULL);
    (void)!introspect_code(&in, any_code, NULL);
    (void)!introspect_pages(&in, any_pages, NULL);
    return 0;
}
