// SPDX-License-Identifier: Apache-2.0
#include <crypto/crypto.h>
#include <initcall.h>
#include <io.h>
#include <kernel/mutex.h>
#include <kernel/panic.h>
#include <mm/core_memprot.h>
#include <mm/core_mmu.h>
#include <stdio.h>
#include <string.h>
#include <string_ext.h>
#include <trace.h>

#include <kapu/eventlog.h>
#include <kapu/trust.h>

#include "handover.h"
#include "internal.h"
#include "monitor.h"
#include "platform.h"

#define PATIENCE_MS 5000U /* with a TPM that may be silent */

/* The page of the handover words is mapped by the platform's seed.c. */
register_phys_mem(MEM_AREA_ROM_SEC, PLATFORM_FUSES, SMALL_PAGE_SIZE);
register_phys_mem(MEM_AREA_RAM_SEC, PLATFORM_EVENT_LOG, SMALL_PAGE_SIZE);

/* One TPM; the mutex is held over each use. */
static struct mutex lock = MUTEX_INITIALIZER;
static struct tis tis;
static struct tpm2 tpm;
static struct fusebox box;
static struct fusebox_board board;
static struct trust_boot boot;
static uint8_t buffer[TPM2_BUFFER_MAX];
static uint8_t event_log[HANDOVER_LOG_MAX];
static uint8_t root[FUSEBOX_SECRET_SIZE];
static bool have_root;

static struct fusebox_measured measured;
static struct fusebox_difference seen; /* of the TPM, since this boot */
static bool untold;                    /* no deep check has ended with it yet */
static uint32_t told;                  /* times that one has */

static void __noreturn give_up(const char *what, const char *why)
{
    EMSG("kapu: HALT: %s: %s", what, why);
    memzero_explicit(root, sizeof(root));
    platform_reset();
}

static vaddr_t handover(unsigned int offset)
{
    return (vaddr_t)phys_to_virt(PLATFORM_HANDOVER, MEM_AREA_IO_SEC, SMALL_PAGE_SIZE) + offset;
}

static void take_handover(void)
{
    const void *log = phys_to_virt(PLATFORM_EVENT_LOG, MEM_AREA_RAM_SEC, SMALL_PAGE_SIZE);
    uint32_t state = io_read32(handover(HANDOVER_STATE));
    uint32_t n = io_read32(handover(HANDOVER_LOG_SIZE));

    if (io_read32(handover(HANDOVER_VALID)) != HANDOVER_MAGIC || n > sizeof(event_log))
        give_up("boot stages", "left nothing that is of this boot");
    boot.state.slot = state & 1;
    boot.state.trial = (state >> 8 & 1) != 0;
    boot.state.tries = (uint8_t)(state >> 16);
    boot.counter_stored = io_read32(handover(HANDOVER_COUNTER_STORED));
    boot.counter_release = io_read32(handover(HANDOVER_COUNTER_RELEASE));
    for (size_t i = 0; i < sizeof(boot.identity); i += sizeof(uint32_t)) {
        uint32_t word = io_read32(handover(HANDOVER_RELEASE + i));

        memcpy(boot.identity + i, &word, sizeof(word));
    }
    memcpy(event_log, log, n);
    boot.log = event_log;
    boot.log_size = n;
}

static void take_board(void)
{
    const uint8_t *fuses = phys_to_virt(PLATFORM_FUSES, MEM_AREA_ROM_SEC, SMALL_PAGE_SIZE);

    if (fusebox_board_decode(&core_crypto.sha256, fuses, &board) != 0)
        give_up("board", "its fuses are damaged");
    memcpy(boot.board, board.id, sizeof(boot.board));
    boot.ek = board.ek;
}

static void need(int err)
{
    if (err != 0)
        give_up(box.at, fusebox_explain(err, &tpm));
}

/* The last event of the boot phase, so that the log accounts for all PCRs. */
static void log_cap(void)
{
    static const uint8_t separator[4];
    struct eventlog log = {};
    uint8_t digest[32];

    box.at = "event log";
    need(fusebox_cap_digest(&core_crypto.sha256, digest));
    need(eventlog_resume(&log, event_log, boot.log_size, sizeof(event_log)));
    need(eventlog_add(&log, FUSEBOX_PCR_CAP, EVENTLOG_EV_SEPARATOR, digest, BYTES_OF(separator)));
    boot.log_size = log.n;
}

/* The firmware's measurements crossed the TPM's bus in clear. */
static void check_measurements(void)
{
    struct fusebox_difference d = {};
    char why[48];

    need(fusebox_expect(&box, (struct bytes){event_log, boot.log_size}, &measured));
    need(fusebox_check(&box, &measured, &d));
    if (d.reset)
        give_up(box.at, "the TPM was reset meanwhile");
    if (d.pcrs == 0)
        return;
    snprintf(why, sizeof(why), "PCR %d is not what the event log says", __builtin_ctz(d.pcrs));
    give_up(box.at, why);
}

/* More randomness than the seed that the machine gave: twice what an event of the generator takes,
 * so that it is used at the next read. */
static void mix_random(void)
{
    uint8_t more[2][32];

    for (size_t i = 0; i < ARRAY_SIZE(more); i++) {
        unsigned int first_pool = 0;

        need(fusebox_random(&box, more[i], sizeof(more[i])));
        crypto_rng_add_event(CRYPTO_RNG_SRC_JITTER_SESSION, &first_pool, more[i], sizeof(more[i]));
    }
    memzero_explicit(more, sizeof(more));
}

static void name_boot(void)
{
    if (crypto_rng_read(boot.name, sizeof(boot.name)) != TEE_SUCCESS)
        give_up("boot", "no random numbers for its name");
}

static void say_what_booted(void)
{
    static const uint32_t pcrs[FUSEBOX_PCR_COUNT] = {FUSEBOX_PCR_FIRMWARE, FUSEBOX_PCR_AUTHORITY,
                                                     FUSEBOX_PCR_LINUX, FUSEBOX_PCR_COMMAND,
                                                     FUSEBOX_PCR_CAP};
    const uint8_t *id = board.id;

    IMSG("kapu: board %02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", id[0],
         id[1], id[2], id[3], id[4], id[5], id[6], id[7], id[8], id[9], id[10], id[11], id[12],
         id[13], id[14], id[15]);
    IMSG("kapu: slot %c, %s; security counter %" PRIu32 ", of this release %" PRIu32,
         'A' + boot.state.slot, boot.state.trial ? "on trial" : "confirmed", boot.counter_stored,
         boot.counter_release);
    for (size_t i = 0; i < ARRAY_SIZE(pcrs); i++) {
        char text[2 * sizeof(measured.pcr[i]) + 1];

        for (size_t k = 0; k < sizeof(measured.pcr[i]); k++)
            snprintf(text + 2 * k, 3, "%02x", measured.pcr[i][k]);
        IMSG("kapu: PCR %2" PRIu32 " %s", pcrs[i], text);
    }
}

/* After the generator has started, before anything asks for the hardware key. */
static TEE_Result trust_init(void)
{
    take_handover();
    take_board();
    tpm = (struct tpm2){
        .io = {.transceive = tis_transceive, .ctx = &tis},
        .crypto = &core_crypto,
        .buf = buffer,
        .buf_n = sizeof(buffer),
    };
    fusebox_init(&box, &tpm, &board);
    need(tis_open(&tis, &core_tpm_port, 0));
    need(fusebox_init_salted(&box, &tpm, &board));
    need(fusebox_take_root(&box, root));
    have_root = true;
    log_cap();
    check_measurements();
    mix_random();
    name_boot();
    say_what_booted();
    return TEE_SUCCESS;
}
service_init(trust_init);

const struct trust_boot *trust_boot(void)
{
    return &boot;
}

TEE_Result trust_derive(const char *label, uint8_t out[FUSEBOX_SECRET_SIZE])
{
    if (!have_root)
        panic("the hardware key is asked for before the TPM gave it");
    return fusebox_derive(&core_crypto.sha256, root, label, out) == 0 ? TEE_SUCCESS
                                                                      : TEE_ERROR_GENERIC;
}

/* The edge between the library's errors and GlobalPlatform's. */
static TEE_Result result_of(int err)
{
    if (err == 0)
        return TEE_SUCCESS;
    EMSG("kapu: %s: %s", box.at, fusebox_explain(err, &tpm));
    return err == KAPU_EARG ? TEE_ERROR_BAD_PARAMETERS : TEE_ERROR_COMMUNICATION;
}

TEE_Result trust_read_pcr(uint32_t pcr, uint8_t value[32])
{
    TEE_Result res;

    mutex_lock(&lock);
    res = result_of(fusebox_read_pcr(&box, pcr, value));
    mutex_unlock(&lock);
    return res;
}

TEE_Result trust_read_counter(enum fusebox_counter which, uint32_t *value)
{
    TEE_Result res;

    mutex_lock(&lock);
    res = result_of(fusebox_read_counter(&box, which, value));
    mutex_unlock(&lock);
    return res;
}

TEE_Result trust_raise_counter(enum fusebox_counter which, uint32_t value)
{
    TEE_Result res;

    mutex_lock(&lock);
    res = result_of(fusebox_raise(&box, root, which, value));
    mutex_unlock(&lock);
    return res;
}

TEE_Result trust_confirm(void)
{
    uint32_t left = 1;
    int err = 0;

    while (err == 0 && left > 0) { /* a deep check gets at the TPM in between */
        mutex_lock(&lock);
        err = fusebox_confirm(&box, root, boot.state.slot, boot.identity, boot.counter_release,
                              &left);
        if (err != 0 && err != KAPU_EARG)
            (void)result_of(err);
        mutex_unlock(&lock);
    }
    if (err == KAPU_EARG)
        EMSG("kapu: not confirmed: the release's security counter, %" PRIu32
             ", is more than %u above the TPM's",
             boot.counter_release, FUSEBOX_RAISE_MAX);
    return err == 0           ? TEE_SUCCESS
           : err == KAPU_EARG ? TEE_ERROR_BAD_STATE
                              : TEE_ERROR_COMMUNICATION;
}

TEE_Result trust_read_state(struct bootstate *state)
{
    uint32_t counter = 0;
    TEE_Result res;

    mutex_lock(&lock);
    res = result_of(fusebox_read(&box, &counter, state));
    mutex_unlock(&lock);
    return res;
}

/* What the TPM holds already costs nothing. Each try of a slot, and the end of its trial, is a
 * write of the boot stages. */
TEE_Result trust_write_state(const struct bootstate *state)
{
    uint8_t wanted[BOOTSTATE_SIZE], held[BOOTSTATE_SIZE];
    struct bootstate now = {};
    TEE_Result res = trust_read_state(&now);

    if (res != TEE_SUCCESS)
        return res;
    bootstate_encode(state, wanted);
    bootstate_encode(&now, held);
    if (memcmp(wanted, held, sizeof(held)) == 0)
        return TEE_SUCCESS;
    res = nv_budget_take(state->trial ? 2U + state->tries : 1U);
    if (res != TEE_SUCCESS)
        return res;
    mutex_lock(&lock);
    res = result_of(fusebox_write_state(&box, state));
    mutex_unlock(&lock);
    return res;
}

TEE_Result trust_read_record(uint8_t record[FUSEBOX_RECORD_SIZE])
{
    TEE_Result res;

    mutex_lock(&lock);
    res = result_of(fusebox_read_record(&box, record));
    mutex_unlock(&lock);
    return res;
}

TEE_Result trust_write_record(const uint8_t record[FUSEBOX_RECORD_SIZE])
{
    TEE_Result res = nv_budget_take(1);

    if (res != TEE_SUCCESS)
        return res;
    mutex_lock(&lock);
    res = result_of(fusebox_write_record(&box, record));
    mutex_unlock(&lock);
    return res;
}

TEE_Result trust_read_words(uint8_t words[FUSEBOX_WORDS_SIZE])
{
    TEE_Result res;

    mutex_lock(&lock);
    res = result_of(fusebox_read_words(&box, words));
    mutex_unlock(&lock);
    return res;
}

TEE_Result trust_write_words(const uint8_t words[FUSEBOX_WORDS_SIZE], bool keep_one)
{
    TEE_Result res = nv_budget_take_words(keep_one);

    if (res != TEE_SUCCESS)
        return res;
    mutex_lock(&lock);
    tis.command_ms = PATIENCE_MS;
    res = result_of(fusebox_write_words(&box, words));
    tis.command_ms = TIS_COMMAND_MS;
    mutex_unlock(&lock);
    return res;
}

/* Whether the TPM is still as it was at start; with the lock held. What was seen stays. What is
 * asked takes a TPM a fraction of a second: a silent one must not hold up a deep check. */
static int look_at_tpm(void)
{
    struct fusebox_difference d = {};
    int err;

    tis.command_ms = PATIENCE_MS;
    err = fusebox_check(&box, &measured, &d);
    tis.command_ms = TIS_COMMAND_MS;

    if ((d.pcrs & ~seen.pcrs) != 0 || (d.reset && !seen.reset))
        untold = true;
    seen.pcrs |= d.pcrs;
    seen.reset = seen.reset || d.reset;
    return err;
}

void trust_check_tpm(struct trust_tpm *t)
{
    bool silent;

    mutex_lock(&lock);
    silent = result_of(look_at_tpm()) != TEE_SUCCESS;
    *t = (struct trust_tpm){.pcrs = seen.pcrs, .reset = seen.reset, .silent = silent};
    mutex_unlock(&lock);
}

void trust_tell(uint32_t pcrs, bool reset)
{
    mutex_lock(&lock);
    if (untold && (seen.pcrs & ~pcrs) == 0 && (reset || !seen.reset)) {
        untold = false;
        told++;
    }
    mutex_unlock(&lock);
}

uint32_t trust_told(void)
{
    uint32_t n;

    mutex_lock(&lock);
    n = told;
    mutex_unlock(&lock);
    return n;
}

bool trust_wants_check(void)
{
    return untold;
}

TEE_Result trust_ak(struct tpm2_public *ak)
{
    TEE_Result res;

    mutex_lock(&lock);
    res = result_of(fusebox_ak(&box, ak));
    mutex_unlock(&lock);
    return res;
}

/*
 * A quote of PCRs that are not what this boot measured would vouch for something that did not run.
 * Once a deep check has told of it, evidence whose claims are from then on has the alarm.
 */
static TEE_Result measured_or_told(uint32_t told_before)
{
    TEE_Result res = result_of(look_at_tpm());

    if (res != TEE_SUCCESS || (!untold && told == told_before))
        return res;
    EMSG("kapu: no quote: the TPM was reset or extended since this boot, a deep check must tell");
    watchdog_hurry();
    return TEE_ERROR_SECURITY;
}

TEE_Result trust_quote(const uint8_t nonce[32], uint32_t told_before, struct wr *attest,
                       struct tpm2_signature *sig)
{
    TEE_Result res;

    mutex_lock(&lock);
    res = measured_or_told(told_before);
    if (res == TEE_SUCCESS)
        res = result_of(fusebox_quote(&box, root, nonce, attest, sig));
    mutex_unlock(&lock);
    return res;
}

TEE_Result trust_activate(struct bytes blob, struct bytes secret, uint8_t out[FUSEBOX_SECRET_SIZE])
{
    TEE_Result res;

    mutex_lock(&lock);
    res = result_of(fusebox_activate(&box, root, blob, secret, out));
    mutex_unlock(&lock);
    return res;
}

TEE_Result trust_ek_certificate(uint8_t der[FUSEBOX_CERTIFICATE_MAX], size_t *n)
{
    TEE_Result res;

    mutex_lock(&lock);
    res = result_of(fusebox_ek_certificate(&box, der, n));
    mutex_unlock(&lock);
    return res;
}

void trust_boot_complete(void)
{
    struct bootmarks marks;
    uint32_t word;

    mutex_lock(&lock);
    bootmarks_decode(io_read32(handover(HANDOVER_MARKS)), &marks);
    bootstate_complete(&marks);
    word = bootmarks_encode(&marks);
    io_write32(handover(HANDOVER_MARKS), word);
    io_write32(handover(HANDOVER_MARKS_CHECK), ~word);
    mutex_unlock(&lock);
}
