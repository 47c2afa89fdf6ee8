// SPDX-License-Identifier: Apache-2.0
/*
 * Why the secure world reset the board. It is kept in secure RAM over the reset, and in the TPM
 * over a power cut: of alarms before the reset, of all else when OP-TEE starts after it, for the
 * TPM cannot be used where the reset is made. Nothing but the boot stages and OP-TEE can write to
 * either.
 */
#include <atomic.h>
#include <initcall.h>
#include <inttypes.h>
#include <io.h>
#include <kernel/cache_helpers.h>
#include <kernel/misc.h>
#include <kernel/thread.h>
#include <mm/core_memprot.h>
#include <mm/core_mmu.h>
#include <stdio.h>
#include <string.h>
#include <trace.h>
#include <util.h>

#include <kapu/lastwords.h>
#include <kapu/trust.h>

#include "handover.h"
#include "monitor.h"
#include "platform.h"

#define MAGIC 0x6b617770U
#define OTHER_MS 100U /* for another core to write down why it resets the board */

struct kept {
    uint32_t magic, why, resets, n;
    char text[MONITOR_TEXT_MAX];
    uint32_t check; /* complement of a sum of all before: RAM after power-on has anything */
};

register_phys_mem(MEM_AREA_RAM_SEC, PLATFORM_LAST_WORDS, SMALL_PAGE_SIZE);

static struct last_words last;
static struct lastwords stored; /* in the TPM */
static bool loaded;
static bool said_in_this_run; /* what is stored is of this run: its reset is still to come */
static uint32_t writer;       /* the core that resets the board, from 1 */

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

    if (k == NULL)
        return;
    memset(k, 0, sizeof(*k));
    k->magic = MAGIC;
    k->why = why;
    k->resets = resets;
    k->n = MIN(n, sizeof(k->text));
    memcpy(k->text, text, k->n);
    k->check = check_of(k);
    dcache_clean_range(k, sizeof(*k));
}

static uint32_t resets_before(void)
{
    const struct kept *k = kept();

    if (loaded)
        return last.resets;
    return k != NULL && is_valid(k) ? k->resets : 0;
}

/* No lock: a core that panics may hold any. The first core writes, others give it some time. */
void last_words_write(enum monitor_reset why, const char *text, size_t n)
{
    uint32_t me = (uint32_t)get_core_pos() + 1, nobody = 0;
    uint64_t began = monitor_now();

    thread_mask_exceptions(THREAD_EXCP_ALL);
    if (atomic_cas_u32(&writer, &nobody, me)) {
        put(why, resets_before() + 1, text, n);
    } else if (atomic_load_u32(&writer) != me) {
        while (monitor_now() - began < monitor_ms(OTHER_MS))
            ;
    }
}

const struct last_words *last_words(void)
{
    return &last;
}

static uint32_t handed_over(unsigned int offset)
{
    return io_read32((vaddr_t)phys_to_virt(PLATFORM_HANDOVER, MEM_AREA_IO_SEC, SMALL_PAGE_SIZE) +
                     offset);
}

/* A panic that OP-TEE could not write down: BL31 left what it knows (wire/handover.h). */
static void take_from_el3(void)
{
    vaddr_t page = (vaddr_t)phys_to_virt(PLATFORM_HANDOVER, MEM_AREA_IO_SEC, SMALL_PAGE_SIZE);
    uint32_t kind = handed_over(HANDOVER_PANIC);
    int n;

    if (kind != ~handed_over(HANDOVER_PANIC_CHECK) ||
        (kind != HANDOVER_PANIC_EL3 && kind != HANDOVER_PANIC_CORE))
        return;
    io_write32(page + HANDOVER_PANIC, 0);
    if (last.why != MONITOR_RESET_NONE)
        return;
    n = snprintf(last.text, sizeof(last.text),
                 "panic in %s: ESR 0x%" PRIx32 ", ELR 0x%08" PRIx32 "%08" PRIx32,
                 kind == HANDOVER_PANIC_EL3 ? "BL31" : "OP-TEE, which could not say more",
                 handed_over(HANDOVER_PANIC_ESR), handed_over(HANDOVER_PANIC_ELR + 4),
                 handed_over(HANDOVER_PANIC_ELR));
    last.why = MONITOR_RESET_PANIC;
    last.resets++;
    last.n = n > 0 ? (size_t)n : 0;
}

static size_t first_line(void)
{
    const char *end = memchr(last.text, '\n', last.n);

    return end == NULL ? last.n : (size_t)(end - last.text);
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
    take_from_el3();
    loaded = true;
    put(MONITOR_RESET_NONE, last.resets, "", 0); /* said once */
    if (last.why != MONITOR_RESET_NONE) {
        IMSG("kapu: the monitor reset the board; %" PRIu32 " times since power-on", last.resets);
        IMSG("kapu: it said: %.*s", (int)first_line(), last.text);
    }
    return TEE_SUCCESS;
}
service_init(last_words_init);

/* ---- in the TPM ---- */

/* `ends`: it says that something is over. Then there must be a write left for what comes next. */
static bool store(const struct lastwords *w, bool ends)
{
    uint8_t encoded[LASTWORDS_SIZE];

    static_assert(LASTWORDS_SIZE == FUSEBOX_WORDS_SIZE);
    if (memcmp(w, &stored, sizeof(stored)) == 0)
        return true;
    lastwords_encode(w, encoded);
    if (trust_write_words(encoded, ends) != TEE_SUCCESS)
        return false;
    stored = *w;
    return true;
}

/* An alarm that is not over says more than what followed from it. */
static bool store_event(enum monitor_reset why, const char *text, size_t n)
{
    struct lastwords w = {};

    if (stored.why == MONITOR_RESET_ALARM && !stored.over && why != MONITOR_RESET_ALARM)
        return true;
    lastwords_make(&w, (uint8_t)why, text, n);
    if (!store(&w, false)) {
        EMSG("kapu: last words: not written to the TPM, a power cut loses them");
        return false;
    }
    IMSG("kapu: last words: a power cut does not lose them");
    return true;
}

void last_words_checked(uint32_t alarms, uint32_t reset_s, const char *text, size_t n)
{
    struct lastwords over = stored;

    if (alarms > 0 && reset_s > 0 && !said_in_this_run) {
        said_in_this_run = store_event(MONITOR_RESET_ALARM, text, n);
    } else if (alarms == 0 && stored.why != MONITOR_RESET_NONE && !stored.over &&
               !said_in_this_run) {
        over.over = true;
        if (store(&over, true))
            IMSG("kapu: last words: over, a deep check found nothing");
    }
}

static void take_from_tpm(void)
{
    if (stored.why == MONITOR_RESET_NONE || stored.over)
        return;
    last.why = (enum monitor_reset)stored.why;
    last.n = stored.n;
    memcpy(last.text, stored.text, stored.n);
    for (size_t at = 0, n; at < last.n; at += n) {
        const char *line = last.text + at, *end = memchr(line, '\n', last.n - at);

        n = end == NULL ? last.n - at : (size_t)(end - line) + 1;
        IMSG("kapu: before the power went: %.*s", (int)(end == NULL ? n : n - 1), line);
    }
}

/* When the TPM is open. What it says is authentic. */
static TEE_Result last_words_load(void)
{
    uint8_t encoded[LASTWORDS_SIZE];

    if (trust_read_words(encoded) != TEE_SUCCESS) {
        EMSG("kapu: last words: the TPM has no place for them");
        return TEE_SUCCESS;
    }
    if (lastwords_decode(encoded, &stored) != 0) {
        EMSG("kapu: last words: what the TPM has are none");
        memset(&stored, 0, sizeof(stored));
    }
    if (last.why != MONITOR_RESET_NONE)
        (void)store_event(last.why, last.text, last.n);
    else
        take_from_tpm();
    return TEE_SUCCESS;
}
driver_init(last_words_load);
