// SPDX-License-Identifier: Apache-2.0
#include <lib/mmio.h>

#include <kapu/bytes.h>
#include <platform_def.h>

#include "handover.h"
#include "release.h"

/* BL2's is the only one that BL1 verifies. */
int plat_certificate_verified(unsigned int image_id, void *certificate, unsigned int n)
{
    const uint8_t *identity = release_of(image_id, certificate, n);

    for (unsigned int i = 0; i < RELEASE_IDENTITY_SIZE; i += 4)
        mmio_write_32(KAPU_HANDOVER_BASE + HANDOVER_RELEASE + i, kapu_le32(identity + i));
    return 0;
}
