// SPDX-License-Identifier: Apache-2.0
/*
 * Randomness for OP-TEE at start: seeds that the machine makes for the secure world at each reset
 * and that BL2 leaves in secure RAM. Without this OP-TEE seeds its generator from a counter and
 * loads itself at a fixed address. The TPM's generator is mixed in later (secure/core/trust.c).
 */
#include <crypto/crypto.h>
#include <io.h>
#include <kernel/boot.h>
#include <kernel/panic.h>
#include <mm/core_memprot.h>
#include <string_ext.h>
#include <tee/tee_cryp_utl.h>

#include "handover.h"
#include "platform.h"

#define LAYOUT_SEED (PLATFORM_HANDOVER + HANDOVER_LAYOUT_SEED)
#define GENERATOR_SEED (PLATFORM_HANDOVER + HANDOVER_RANDOM_SEED)
#define GENERATOR_SEED_WORDS 8

register_phys_mem(MEM_AREA_IO_SEC, PLATFORM_HANDOVER, SMALL_PAGE_SIZE);

/* Called before there is an address space: the address is physical. Used once, so wiped here. */
unsigned long plat_get_aslr_seed(void)
{
    unsigned long seed = io_read32(LAYOUT_SEED) | ((unsigned long)io_read32(LAYOUT_SEED + 4) << 32);

    io_write32(LAYOUT_SEED, 0);
    io_write32(LAYOUT_SEED + 4, 0);
    return seed;
}

void plat_rng_init(void)
{
    vaddr_t at = (vaddr_t)phys_to_virt(GENERATOR_SEED, MEM_AREA_IO_SEC, sizeof(uint32_t));
    uint32_t seed[GENERATOR_SEED_WORDS];
    uint32_t any = 0;

    for (unsigned int i = 0; i < GENERATOR_SEED_WORDS; i++) {
        seed[i] = io_read32(at + i * sizeof(uint32_t));
        io_write32(at + i * sizeof(uint32_t), 0);
        any |= seed[i];
    }
    if (any == 0)
        panic("no random seed from the firmware");
    if (crypto_rng_init(seed, sizeof(seed)) != TEE_SUCCESS)
        panic("the random number generator does not start");
    memzero_explicit(seed, sizeof(seed));
}
