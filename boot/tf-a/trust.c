// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include <arch_helpers.h>
#include <common/debug.h>
#include <lib/mmio.h>
#include <lib/utils.h>

#include <kapu/eventlog.h>
#include <kapu/fusebox.h>
#include <kapu/tis.h>
#include <platform_def.h>

#include "crypto.h"
#include "handover.h"
#include "platform.h"
#include "slot.h"
#include "trust_internal.h"

/* The largest answer that a boot stage asks for is far below. */
#define BUFFER_SIZE 512U

struct trust trust;

static uint8_t buffer[BUFFER_SIZE];

void trust_die(const char *what, const char *why)
{
    ERROR("kapu: HALT: %s: %s\n", what, why);
    zeromem(&trust.board, sizeof(trust.board));
    slot_wait();
}

void trust_need(int err)
{
    if (err != 0)
        trust_die(trust.box.at, fusebox_explain(err, &trust.tpm));
}

void trust_find_tpm(void)
{
    trust.tpm = (struct tpm2){
        .io = {.transceive = tis_transceive, .ctx = &trust.tis},
        .crypto = &boot_crypto,
        .buf = buffer,
        .buf_n = sizeof(buffer),
    };
    fusebox_init(&trust.box, &trust.tpm, &trust.board);
    trust_need(tis_open(&trust.tis, &platform_tpm, 0));
}

static void log_size_changed(void)
{
    mmio_write_32(trust_word(HANDOVER_LOG_SIZE), (uint32_t)trust.log.n);
    flush_dcache_range((uintptr_t)trust.log.p, trust.log.n);
}

void trust_extend(uint32_t pcr, uint32_t type, const uint8_t digest[32], struct bytes data)
{
    trust.box.at = "measurement";
    trust_need(eventlog_add(&trust.log, pcr, type, digest, data));
    trust_need(tpm2_pcr_extend(&trust.tpm, pcr, &TPM2_AUTH_CLEAR, digest));
    log_size_changed();
}

void trust_measure(uint32_t pcr, uint32_t event_type, const char *name, const void *image,
                   uint32_t n)
{
    const struct bytes part = {image, n};
    const struct bytes data = {(const uint8_t *)name, strlen(name)};
    uint8_t digest[32];

    trust.box.at = "measurement";
    trust_need(boot_crypto.sha256.hash(NULL, &part, 1, digest) == 0 ? 0 : KAPU_ECRYPTO);
    trust_extend(pcr, event_type, digest, data);
}

void trust_state(struct bootstate *state)
{
    uint32_t w = mmio_read_32(trust_word(HANDOVER_STATE));

    state->slot = (uint8_t)(w & 1U);
    state->trial = (w >> 8 & 1U) != 0;
    state->tries = (uint8_t)(w >> 16);
}
