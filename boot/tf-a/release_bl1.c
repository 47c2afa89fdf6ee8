// SPDX-License-Identifier: Apache-2.0
#include <stdbool.h>

#include <lib/mmio.h>

#include <kapu/bytes.h>
#include <platform_def.h>

#include "handover.h"
#include "release.h"
#include "slot.h"
#include "slot_io.h"

/* BL2's is the only one that BL1 verifies. Who can write the flash has more than one signed release
 * to write: a slot starts the one that the boot state names. */
int plat_certificate_verified(unsigned int image_id, void *certificate, unsigned int n)
{
    const uint8_t *identity = release_of(image_id, certificate, n);
    bool any = true, same = true;

    for (unsigned int i = 0; i < RELEASE_IDENTITY_SIZE; i += 4) {
        uint32_t expected = mmio_read_32(KAPU_HANDOVER_BASE + HANDOVER_EXPECTED + i);

        any = any && expected == 0;
        same = same && expected == kapu_le32(identity + i);
        mmio_write_32(KAPU_HANDOVER_BASE + HANDOVER_RELEASE + i, kapu_le32(identity + i));
    }
    if (!any && !same)
        slot_refuse(slot_io_name(image_id), "it is of a release that this slot may not start");
    return 0;
}
