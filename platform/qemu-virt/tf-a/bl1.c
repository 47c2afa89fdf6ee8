// SPDX-License-Identifier: Apache-2.0
/* BL1 on qemu-virt: the ROM. Starts the root of trust, chooses the slot and verifies BL2. */
#include <arch_helpers.h>
#include <common/bl_common.h>
#include <common/debug.h>
#include <plat/common/platform.h>

#include <kapu/eventlog.h>
#include <kapu/fusebox.h>
#include <platform_def.h>

#include "plat/qemu/common/qemu_private.h"
#include "slot.h"
#include "slot_io.h"
#include "trust.h"

/* Where the build finds BL2's window (windows.py): TF-A's own descriptor cannot be found by name.
 */
static image_desc_t bl2_to_load = BL2_IMAGE_DESC;
CASSERT(__builtin_offsetof(image_desc_t, image_info.image_base) == 24, assert_place_of_image_base);
CASSERT(__builtin_offsetof(image_desc_t, image_info.image_max_size) == 36,
        assert_place_of_image_max_size);

static meminfo_t secure_ram;

/* BL1 loads nothing else. */
image_desc_t *bl1_plat_get_image_desc(unsigned int image_id)
{
    return image_id == BL2_IMAGE_ID ? &bl2_to_load : NULL;
}

meminfo_t *bl1_plat_sec_mem_layout(void)
{
    return &secure_ram;
}

void bl1_early_platform_setup(void)
{
    qemu_console_init();
    secure_ram.total_base = BL_RAM_BASE;
    secure_ram.total_size = BL_RAM_SIZE;
}

void bl1_plat_arch_setup(void)
{
    const mmap_region_t regions[] = {
        MAP_REGION_FLAT(BL_RAM_BASE, BL_RAM_SIZE, MT_MEMORY | MT_RW | EL3_PAS),
        MAP_REGION_FLAT(BL_CODE_BASE, BL1_CODE_END - BL_CODE_BASE, MT_CODE | EL3_PAS),
        MAP_REGION_FLAT(BL1_RO_DATA_BASE, BL1_RO_DATA_END - BL1_RO_DATA_BASE, MT_RO_DATA | EL3_PAS),
        MAP_REGION_FLAT(KAPU_TPM_BASE, KAPU_TPM_SIZE, MT_DEVICE | MT_RW | EL3_PAS),
        MAP_REGION_FLAT(KAPU_HARDWARE_DT_BASE, PLAT_QEMU_DT_MAX_SIZE, MT_MEMORY | MT_RO | MT_NS),
        {0},
    };

    setup_page_tables(regions, plat_qemu_get_mmap());
    enable_mmu_el3(0);
}

void bl1_platform_setup(void)
{
    struct bootstate state;

    trust_begin(&state);
    if (slot_choose(&state))
        trust_store(&state);
    state.slot = slot_letter() == 'A' ? 0 : 1; /* what runs, be it in use or in its place */
    trust_hand_over(&state);
    slot_io_setup();
}

/* The last hook before BL1 leaves for BL2: reached only when BL2 has been verified. */
void bl1_plat_set_ep_info(unsigned int image_id, struct entry_point_info *ep_info)
{
    const image_info_t *image = &bl1_plat_get_image_desc(image_id)->image_info;

    (void)ep_info;
    NOTICE("kapu: slot %c: %s verified\n", slot_letter(), slot_io_name(image_id));
    trust_measure_authority();
    trust_measure(FUSEBOX_PCR_FIRMWARE, EVENTLOG_EV_FIRMWARE_BLOB2, slot_io_name(image_id),
                  (const void *)image->image_base, image->image_size);
}
