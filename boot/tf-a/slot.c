// SPDX-License-Identifier: Apache-2.0
#include <stdbool.h>

#include <arch_helpers.h>
#include <common/debug.h>
#include <drivers/console.h>
#include <lib/mmio.h>

#include <platform_def.h>

#include "handover.h"
#include "platform.h"
#include "slot.h"
#include "trust.h"

/* Words, since the page is mapped as device memory. */
#define MARKS (KAPU_HANDOVER_BASE + HANDOVER_MARKS)
#define MARKS_CHECK (KAPU_HANDOVER_BASE + HANDOVER_MARKS_CHECK)

static struct bootmarks marks_read(void)
{
    uint32_t word = mmio_read_32(MARKS);
    struct bootmarks m;

    /* Random content of RAM after power-on reads as "nothing failed". */
    bootmarks_decode(mmio_read_32(MARKS_CHECK) == ~word ? word : 0, &m);
    return m;
}

static void marks_write(const struct bootmarks *m)
{
    uint32_t word = bootmarks_encode(m);

    mmio_write_32(MARKS, word);
    mmio_write_32(MARKS_CHECK, ~word);
}

char slot_letter(void)
{
    return (char)('A' + marks_read().current);
}

struct bytes slot_content(void)
{
    struct bytes content = {
        .p = (const uint8_t *)(uintptr_t)(KAPU_SLOTS_BASE + marks_read().current * KAPU_SLOT_SIZE),
        .n = KAPU_SLOT_SIZE,
    };

    return content;
}

void slot_wait(void)
{
    static const struct bootmarks none;

    marks_write(&none);
    console_flush();
    for (;;)
        wfi();
}

bool slot_choose(struct bootstate *state)
{
    const struct bootstate before = *state;
    struct bootmarks m = marks_read();
    enum bootstate_verdict verdict = bootstate_choose(state, &m);

    if (verdict == BOOTSTATE_NONE) {
        NOTICE("kapu: slots A and B: neither came up; trying both again\n");
        verdict = bootstate_choose(state, &m);
    }
    marks_write(&m);
    if (verdict == BOOTSTATE_FELL_BACK)
        NOTICE("kapu: slot %c: its trial has failed; slot %c is in use again\n", 'A' + before.slot,
               'A' + state->slot);
    if (state->trial)
        NOTICE("kapu: slot %c: starting, on trial, %u tries left\n", slot_letter(), state->tries);
    else
        NOTICE("kapu: slot %c: starting\n", slot_letter());
    return before.slot != state->slot || before.trial != state->trial ||
           before.tries != state->tries;
}

void slot_accept(void)
{
    NOTICE("kapu: slot %c: all images verified\n", slot_letter());
}

void slot_refuse(const char *image, const char *reason)
{
    struct bootmarks m = marks_read();
    char letter = slot_letter();
    struct bootstate state;
    bool again;

    ERROR("kapu: slot %c refused: %s: %s\n", letter, image, reason);
    trust_state(&state);
    again = bootstate_refuse(&state, &m);
    marks_write(&m);
    if (again) {
        console_flush();
        platform_reset();
    }
    ERROR("kapu: HALT: no slot left to boot (slot %c: %s: %s)\n", letter, image, reason);
    slot_wait();
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
