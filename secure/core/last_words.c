// SPDX-License-Identifier: Apache-2.0
/*
 * Why the monitor reset the board, kept in secure RAM over the reset. It is lost with the power, as
 * all of that RAM; nothing but the boot stages and OP-TEE can write there.
 */
#include <initcall.h>
#include <mm/core_memprot.h>
#include <mm/core_mmu.h>
#include <string.h>
#include <trace.h>
#include <util.h>

#include "monitor.h"
#include "platform.h"

#define MAGIC 0x6b617770U

struct kept {
    uint32_t magic, why, resets, n;
    char text[MONITOR_TEXT_MAX];
    uint32_t check; /* complement of a sum of all before: RAM after power-on has anything */
};

register_phys_mem(MEM_AREA_RAM_SEC, PLATFORM_LAST_WORDS, SMALL_PAGE_SIZE);

static struct last_words last;

static struct kept *kept(void)
{
    static_assert(sizeof(struct kept) <= SMALL_PAGE_SIZE);
    return phys_to_virt(PLATFORM_LAST_WORDS, MEM_AREA_RAM_SEC, sizeof(struct kept));
}

static uint32_t check_of(const struct kept *k)
{
    const uint8_t *p = (const uint8_t *)k;
    uint32_t sum = 1;

    for (size_t i = 0; i < offsetof(struct kept, check); i++)
        sum = sum * 31 + p[i];
    return ~sum;
}

static bool is_valid(const struct kept *k)
{
    return k->magic == MAGIC && k->n <= sizeof(k->text) && k->check == check_of(k);
}

static void put(uint32_t why, uint32_t resets, const char *text, size_t n)
{
    struct kept *k = kept();

    memset(k, 0, sizeof(*k));
    k->magic = MAGIC;
    k->why = why;
    k->resets = resets;
    k->n = MIN(n, sizeof(k->text));
    memcpy(k->text, text, k->n);
    k->check = check_of(k);
}

void last_words_write(enum monitor_reset why, const char *text, size_t n)
{
    put(why, last.resets + 1, text, n);
}

const struct last_words *last_words(void)
{
    return &last;
}

static TEE_Result last_words_init(void)
{
    const struct kept *k = kept();

    if (is_valid(k)) {
        last.why = k->why;
        last.resets = k->resets;
        last.n = k->n;
        memcpy(last.text, k->text, k->n);
    }
    put(MONITOR_RESET_NONE, last.resets, "", 0); /* said once */
    if (last.why != MONITOR_RESET_NONE)
        IMSG("kapu: the monitor reset the board; %" PRIu32 " times since power-on", last.resets);
    return TEE_SUCCESS;
}
service_init(last_words_init);
