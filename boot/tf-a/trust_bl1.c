// SPDX-License-Identifier: Apache-2.0
/* The root of trust in BL1: the ROM. */
#include <arch_helpers.h>
#include <common/bl_common.h>
#include <common/debug.h>
#include <lib/mmio.h>
#include <lib/utils.h>
#include <plat/common/platform.h>

#include <kapu/eventlog.h>
#include <platform_def.h>

#include "crypto.h"
#include "handover.h"
#include "platform.h"
#include "root_key_hash.h" /* made by the build: ROOT_KEY_HASH, 32 byte values */
#include "trust_internal.h"

static const uint8_t root_key_hash[32] = {ROOT_KEY_HASH};

static void read_board(void)
{
    int err =
        fusebox_board_decode(&boot_crypto.sha256, (const uint8_t *)KAPU_FUSES_BASE, &trust.board);

    if (err == KAPU_ENOENT)
        trust_die("board", "not provisioned: it has no fuses; run the factory step");
    if (err == KAPU_EUNSUPPORTED)
        trust_die("board", "its fuses are of another version: upgrade the board (kapu factory)");
    if (err != 0)
        trust_die("board", "its fuses are damaged");
}

/* What a person should know, though the boot goes on without harm. */
static void notice_health(void)
{
    struct fusebox_health health;

    trust_need(fusebox_health(&trust.box, &health));
    if (health.locked_out)
        NOTICE("kapu: the TPM is locked out by wrong authorisations; kapu's objects are not "
               "affected\n");
}

void trust_begin(struct bootstate *state)
{
    uint8_t seed[32];
    uint32_t counter = 0;

    mmio_write_32(trust_word(HANDOVER_VALID), 0);
    if (platform_random_seed(seed) != 0)
        trust_die("random numbers", "the machine gives no seed");
    zeromem(seed, sizeof(seed));
    read_board();
    if (!platform_has_tpm())
        trust_die("TPM", "this board has none");
    trust_find_tpm();
    trust_need(fusebox_start(&trust.box));
    notice_health();
    trust.box.at = "event log";
    trust_need(eventlog_init(&trust.log, (uint8_t *)KAPU_EVENT_LOG_BASE, HANDOVER_LOG_MAX));
    trust_measure(FUSEBOX_PCR_FIRMWARE, EVENTLOG_EV_FIRMWARE_BLOB2, "BL1",
                  (const void *)BL1_RO_BASE, BL1_ROM_END - BL1_RO_BASE);
    trust_need(fusebox_read(&trust.box, &counter, state));
    mmio_write_32(trust_word(HANDOVER_COUNTER_STORED), counter);
    mmio_write_32(trust_word(HANDOVER_COUNTER_RELEASE), counter);
}

void trust_store(const struct bootstate *state)
{
    trust_need(fusebox_write_state(&trust.box, state));
}

void trust_hand_over(const struct bootstate *state)
{
    mmio_write_32(trust_word(HANDOVER_STATE),
                  state->slot | (state->trial ? 1U << 8 : 0U) | (uint32_t)state->tries << 16);
    for (unsigned int i = 0; i < BOOTSTATE_IDENTITY_SIZE; i += 4)
        mmio_write_32(trust_word(HANDOVER_EXPECTED) + i,
                      kapu_le32(bootstate_expected(state, state->slot) + i));
    mmio_write_32(trust_word(HANDOVER_VALID), HANDOVER_MAGIC);
    zeromem(&trust.board, sizeof(trust.board));
}

/*
 * The ROM takes a BL2 whose counter is at least the TPM's. It keeps the counter of the release;
 * the TPM's rises only when the secure world asks for it, after the release was confirmed.
 */
int plat_get_nv_ctr(void *cookie, unsigned int *nv_ctr)
{
    (void)cookie;
    *nv_ctr = mmio_read_32(trust_word(HANDOVER_COUNTER_STORED));
    return 0;
}

/* Called for a counter above the TPM's, when the certificate has been verified. */
int plat_set_nv_ctr(void *cookie, unsigned int nv_ctr)
{
    (void)cookie;
    mmio_write_32(trust_word(HANDOVER_COUNTER_RELEASE), nv_ctr);
    return 0;
}

/* PCClientTaggedEvent (PFP 1.06, 10.4.2.1): an identifier, a size, and a name for a person. */
void trust_measure_authority(void)
{
    static const uint8_t event[] = {'k', 'a', 'p', 'u', 8,   0,   0,   0,
                                    'r', 'o', 'o', 't', ' ', 'k', 'e', 'y'};

    trust_extend(FUSEBOX_PCR_AUTHORITY, EVENTLOG_EV_EVENT_TAG, root_key_hash, BYTES_OF(event));
}
