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
#define BLOB_MAX 64U

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

/* Event data of EV_EFI_PLATFORM_FIRMWARE_BLOB2 (PFP 1.06, 10.2.5): a description, base and length.
 */
static struct bytes firmware_blob(uint8_t *to, size_t capacity, const char *name, const void *image,
                                  uint32_t n)
{
    const struct bytes text = {(const uint8_t *)name, strlen(name)};
    struct wr w;

    wr_init(&w, to, capacity);
    wr_u8(&w, (uint8_t)text.n);
    wr_bytes(&w, text);
    wr_le32(&w, (uint32_t)(uintptr_t)image);
    wr_le32(&w, (uint32_t)((uintptr_t)image >> 32));
    wr_le32(&w, n);
    wr_le32(&w, 0);
    trust_need(w.err);
    return wr_done(&w);
}

void trust_measure(uint32_t pcr, uint32_t event_type, const char *name, const void *image,
                   uint32_t n)
{
    const struct bytes part = {image, n};
    struct bytes data = {(const uint8_t *)name, strlen(name)};
    uint8_t digest[32], blob[BLOB_MAX];

    trust.box.at = "measurement";
    trust_need(boot_crypto.sha256.hash(NULL, &part, 1, digest) == 0 ? 0 : KAPU_ECRYPTO);
    if (event_type == EVENTLOG_EV_FIRMWARE_BLOB2)
        data = firmware_blob(blob, sizeof(blob), name, image, n);
    trust_extend(pcr, event_type, digest, data);
}

void trust_state(struct bootstate *state)
{
    uint32_t w = mmio_read_32(trust_word(HANDOVER_STATE));

    *state = (struct bootstate){0};
    state->slot = (uint8_t)(w & 1U);
    state->trial = (w >> 8 & 1U) != 0;
    state->tries = (uint8_t)(w >> 16);
}
