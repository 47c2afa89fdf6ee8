// SPDX-License-Identifier: Apache-2.0
#include <stdbool.h>

#include <arch_helpers.h>
#include <common/debug.h>
#include <drivers/console.h>
#include <lib/mmio.h>

#include <platform_def.h>

#include "platform.h"
#include "slot.h"

/* The record in secure RAM; words, since the RAM is mapped as device memory. */
#define RECORD_MAGIC 0x6b61u
#define RECORD_WORD KAPU_SLOT_RECORD_BASE
#define RECORD_CHECK (KAPU_SLOT_RECORD_BASE + 4U)

#define ALL_FAILED ((1U << SLOT_COUNT) - 1U)

struct record {
    uint32_t current; /* slot of this boot */
    uint32_t failed;  /* bit i: slot i was tried, and not found good since the last power-on */
    uint32_t rounds;  /* how often all slots were tried without a verdict on the last */
};

static struct record record_read(void)
{
    uint32_t word = mmio_read_32(RECORD_WORD);
    struct record r = {0, 0, 0};

    /* Random content of RAM after power-on reads as "nothing failed". */
    if (mmio_read_32(RECORD_CHECK) == ~word && (word >> 16) == RECORD_MAGIC) {
        r.current = (word >> 8) & 1U;
        r.rounds = (word >> 4) & 0xfU;
        r.failed = word & ALL_FAILED;
    }
    return r;
}

static void record_write(struct record r)
{
    uint32_t word = (RECORD_MAGIC << 16) | (r.current << 8) | (r.rounds << 4) | r.failed;

    mmio_write_32(RECORD_WORD, word);
    mmio_write_32(RECORD_CHECK, ~word);
}

char slot_letter(void)
{
    return record_read().current == 0 ? 'A' : 'B';
}

struct bytes slot_content(void)
{
    struct bytes content = {
        .p = (const uint8_t *)(uintptr_t)(KAPU_SLOTS_BASE + record_read().current * KAPU_SLOT_SIZE),
        .n = KAPU_SLOT_SIZE,
    };

    return content;
}

static void halt(void) __attribute__((noreturn));

/* Wait for a person. The marks go, so that the next reset tries again. */
static void halt(void)
{
    record_write((struct record){0, 0, 0});
    console_flush();
    for (;;)
        wfi();
}

void slot_choose(void)
{
    struct record r = record_read();

    if (r.failed == ALL_FAILED) {
        r.failed = 0;
        r.rounds++;
    }
    if (r.rounds >= SLOT_ROUNDS) {
        ERROR("kapu: HALT: no slot left to boot (slots A and B: neither came to an end)\n");
        halt();
    }
    r.current = (r.failed & 1U) != 0 ? 1U : 0U;
    r.failed |= 1U << r.current;
    record_write(r);
    NOTICE("kapu: slot %c: starting\n", slot_letter());
}

void slot_accept(void)
{
    struct record r = record_read();

    r.failed = 0;
    r.rounds = 0;
    record_write(r);
    NOTICE("kapu: slot %c: all images verified\n", slot_letter());
}

void slot_refuse(const char *image, const char *reason)
{
    struct record r = record_read();

    ERROR("kapu: slot %c refused: %s: %s\n", slot_letter(), image, reason);
    if (r.failed != ALL_FAILED) {
        console_flush();
        platform_reset();
    }
    ERROR("kapu: HALT: no slot left to boot (slot %c: %s: %s)\n", 'A' + (int)r.current, image,
          reason);
    halt();
}

/* TF-A ends here after a panic and after an exception that nobody expected; the default stops. */
void plat_panic_handler(void)
{
    static volatile bool again;

    if (!again) {
        again = true; /* should saying so crash too */
        ERROR("kapu: slot %c: the firmware crashed\n", slot_letter());
        console_flush();
    }
    platform_reset();
}
