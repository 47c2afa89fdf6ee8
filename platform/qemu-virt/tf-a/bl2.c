// SPDX-License-Identifier: Apache-2.0
/* BL2 on qemu-virt: verifies and loads everything else of the slot that it came from. */
#include <arch_helpers.h>
#include <common/bl_common.h>
#include <common/debug.h>
#include <common/desc_image_load.h>
#include <plat/common/platform.h>

#include <kapu/eventlog.h>
#include <kapu/fusebox.h>
#include <platform_def.h>

#include "device_tree.h"
#include "plat/qemu/common/qemu_private.h"
#include "slot.h"
#include "slot_io.h"
#include "trust.h"

static meminfo_t secure_ram __aligned(CACHE_WRITEBACK_GRANULE);

/* arg1 is the memory that BL1 leaves to BL2. */
void bl2_early_platform_setup2(u_register_t arg0, u_register_t arg1, u_register_t arg2,
                               u_register_t arg3)
{
    (void)arg0;
    (void)arg2;
    (void)arg3;
    qemu_console_init();
    secure_ram = *(meminfo_t *)arg1;
    slot_io_setup();
}

void bl2_plat_arch_setup(void)
{
    const mmap_region_t regions[] = {
        MAP_REGION_FLAT(secure_ram.total_base, secure_ram.total_size, MT_MEMORY | MT_RW | EL3_PAS),
        MAP_REGION_FLAT(BL_CODE_BASE, BL_CODE_END - BL_CODE_BASE, MT_CODE | EL3_PAS),
        MAP_REGION_FLAT(BL_RO_DATA_BASE, BL_RO_DATA_END - BL_RO_DATA_BASE, MT_RO_DATA | EL3_PAS),
        MAP_REGION_FLAT(KAPU_TPM_BASE, KAPU_TPM_SIZE, MT_DEVICE | MT_RW | EL3_PAS),
        {0},
    };

    setup_page_tables(regions, plat_qemu_get_mmap());
    enable_mmu_el1(0);
}

/* QEMU splits secure from normal memory by itself: there is no controller to set up. */
void bl2_platform_setup(void)
{
    trust_resume();
}

static const struct {
    unsigned int image_id;
    uint32_t pcr;
    uint32_t event_type;
} measured[] = {
    {BL31_IMAGE_ID, FUSEBOX_PCR_FIRMWARE, EVENTLOG_EV_FIRMWARE_BLOB2},
    {BL32_IMAGE_ID, FUSEBOX_PCR_FIRMWARE, EVENTLOG_EV_FIRMWARE_BLOB2},
    {NT_FW_CONFIG_ID, FUSEBOX_PCR_COMMAND, EVENTLOG_EV_IPL},
    {BL33_IMAGE_ID, FUSEBOX_PCR_LINUX, EVENTLOG_EV_IPL},
};

/* Measures an image as it was signed: before anything is added to it. */
static void measure(unsigned int image_id)
{
    const bl_mem_params_node_t *node = get_bl_mem_params_node(image_id);

    for (size_t i = 0; node != NULL && i < ARRAY_SIZE(measured); i++) {
        if (measured[i].image_id == image_id) {
            trust_measure(measured[i].pcr, measured[i].event_type, slot_io_name(image_id),
                          (const void *)node->image_info.image_base, node->image_info.image_size);
            return;
        }
    }
    slot_refuse(slot_io_name(image_id), "nothing says into which PCR it is measured");
}

/* Called once an image has been verified, in the order of bl2_images.c; BL33 is the last. */
int bl2_plat_handle_post_image_load(unsigned int image_id)
{
    NOTICE("kapu: slot %c: %s verified\n", slot_letter(), slot_io_name(image_id));
    measure(image_id);
    if (image_id == NT_FW_CONFIG_ID && device_tree_complete() != 0)
        slot_refuse(slot_io_name(image_id), "cannot be completed for this machine");
    if (image_id == BL33_IMAGE_ID) {
        trust_end();
        slot_accept();
    }
    return 0;
}

uintptr_t plat_get_ns_image_entrypoint(void)
{
    return NS_IMAGE_OFFSET;
}
