// SPDX-License-Identifier: Apache-2.0
/*
 * The root of the chain: the hash of the only key that may sign the first certificates, compiled
 * into the ROM (and into BL2, which the ROM has verified).
 */
#include <plat/common/platform.h>

#include "root_key_hash.h" /* made by the build: ROOT_KEY_HASH, 32 byte values */

/* DigestInfo (RFC 8017 section 9.2) of SHA-256, the form in which TF-A compares the hash. */
static const uint8_t root_key_digest[] = {
    0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
    0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20, ROOT_KEY_HASH,
};

int plat_get_rotpk_info(void *cookie, void **key_ptr, unsigned int *key_len, unsigned int *flags)
{
    (void)cookie;
    *key_ptr = (void *)root_key_digest;
    *key_len = sizeof(root_key_digest);
    *flags = ROTPK_IS_HASH;
    return 0;
}
