// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include <arch_helpers.h>
#include <lib/utils.h>
#include <plat/common/platform.h>

#include "canary.h"
#include "crypto.h"
#include "platform.h"

int canary_derive(enum canary_stage stage, uint8_t canary[CANARY_SIZE])
{
    static const char label[] = "kapu stack canary";
    const uint8_t of = (uint8_t)stage;
    uint8_t seed[32], digest[32];
    const struct bytes part[] = {
        BYTES_OF(seed), {(const uint8_t *)label, sizeof(label)}, {&of, sizeof(of)}};
    int err = platform_random_seed(seed);

    if (err == 0)
        err = boot_crypto.sha256.hash(NULL, part, ARRAY_SIZE(part), digest);
    if (err == 0)
        memcpy(canary, digest, CANARY_SIZE);
    zeromem(seed, sizeof(seed));
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
