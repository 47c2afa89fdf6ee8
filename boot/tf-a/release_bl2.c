// SPDX-License-Identifier: Apache-2.0
#include <lib/mmio.h>

#include <kapu/bytes.h>
#include <platform_def.h>

#include "handover.h"
#include "release.h"
#include "slot.h"
#include "slot_io.h"

int plat_certificate_verified(unsigned int image_id, void *certificate, unsigned int n)
{
    const uint8_t *identity = release_of(image_id, certificate, n);

    for (unsigned int i = 0; i < RELEASE_IDENTITY_SIZE; i += 4) {
        if (mmio_read_32(KAPU_HANDOVER_BASE + HANDOVER_RELEASE + i) != kapu_le32(identity + i))
            slot_refuse(slot_io_name(image_id), "it is of another release than BL2");
    }
    return 0;
}
