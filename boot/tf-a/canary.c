// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include <mbedtls/sha256.h>

#include <arch_helpers.h>
#include <lib/utils.h>
#include <plat/common/platform.h>

#include "canary.h"
#include "platform.h"

#define SEED_SIZE 32

int canary_derive(enum canary_stage stage, uint8_t canary[CANARY_SIZE])
{
    static const char label[] = "kapu stack canary";
    uint8_t input[SEED_SIZE + sizeof(label) + 1];
    uint8_t digest[32];
    int err = platform_random_seed(input);

    memcpy(input + SEED_SIZE, label, sizeof(label));
    input[sizeof(input) - 1] = (uint8_t)stage;
    if (err == 0)
        err = mbedtls_sha256(input, sizeof(input), digest, 0);
    if (err == 0)
        memcpy(canary, digest, CANARY_SIZE);
    zeromem(input, sizeof(input));
    zeromem(digest, sizeof(digest));
    return err;
}

/* Called once, by assembly, with the MMU off and before there is a console. A board without a seed
 * gets this far only in BL1, which halts (trust_begin) before it reads anything that is hostile. */
u_register_t plat_get_stack_protector_canary(void)
{
    u_register_t canary = 0;

    if (canary_derive(CANARY_THIS_STAGE, (uint8_t *)&canary) != 0)
        return ~read_cntpct_el0();
    return canary;
}
