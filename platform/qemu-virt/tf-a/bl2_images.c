// SPDX-License-Identifier: Apache-2.0
/* What BL2 loads, where it goes, and what runs after what. */
#include <common/desc_image_load.h>
#include <lib/cassert.h>
#include <plat/common/platform.h>

#include <platform_def.h>

static bl_mem_params_node_t images_to_load[] = {
    {
        .image_id = BL31_IMAGE_ID,
        SET_STATIC_PARAM_HEAD(ep_info, PARAM_EP, VERSION_2, entry_point_info_t,
                              SECURE | EXECUTABLE | EP_FIRST_EXE),
        .ep_info.pc = BL31_BASE,
        .ep_info.spsr = SPSR_64(MODE_EL3, MODE_SP_ELX, DISABLE_ALL_EXCEPTIONS),
        SET_STATIC_PARAM_HEAD(image_info, PARAM_EP, VERSION_2, image_info_t,
                              IMAGE_ATTRIB_PLAT_SETUP),
        .image_info.image_base = BL31_BASE,
        /* Not up to BL31_LIMIT: BL1's data lies there and is in use until BL31 runs. */
        .image_info.image_max_size = BL31_PROGBITS_LIMIT - BL31_BASE,
        .next_handoff_image_id = BL32_IMAGE_ID,
    },
    {
        .image_id = BL32_IMAGE_ID,
        SET_STATIC_PARAM_HEAD(ep_info, PARAM_EP, VERSION_2, entry_point_info_t,
                              SECURE | EXECUTABLE),
        .ep_info.pc = BL32_BASE,
        /* The SPD sets SPSR; it wants to know that OP-TEE is AArch64. */
        .ep_info.args.arg0 = MODE_RW_64,
        SET_STATIC_PARAM_HEAD(image_info, PARAM_EP, VERSION_2, image_info_t, 0),
        .image_info.image_base = BL32_BASE,
        .image_info.image_max_size = BL32_LIMIT - BL32_BASE,
        .next_handoff_image_id = BL33_IMAGE_ID,
    },
    {
        .image_id = NT_FW_CONFIG_ID,
        SET_STATIC_PARAM_HEAD(ep_info, PARAM_IMAGE_BINARY, VERSION_2, entry_point_info_t,
                              NON_SECURE | NON_EXECUTABLE),
        SET_STATIC_PARAM_HEAD(image_info, PARAM_IMAGE_BINARY, VERSION_2, image_info_t, 0),
        .image_info.image_base = KAPU_DT_BASE,
        .image_info.image_max_size = KAPU_DT_MAX_SIZE,
        .next_handoff_image_id = INVALID_IMAGE_ID,
    },
    {
        .image_id = BL33_IMAGE_ID,
        SET_STATIC_PARAM_HEAD(ep_info, PARAM_EP, VERSION_2, entry_point_info_t,
                              NON_SECURE | EXECUTABLE),
        .ep_info.pc = NS_IMAGE_OFFSET,
        /* Linux is entered at EL1 (the machine has no EL2) with the device tree in x0 and nothing
         * in x1 to x3: Documentation/arch/arm64/booting.rst. */
        .ep_info.spsr = SPSR_64(MODE_EL1, MODE_SP_ELX, DISABLE_ALL_EXCEPTIONS),
        .ep_info.args.arg0 = KAPU_DT_BASE,
        SET_STATIC_PARAM_HEAD(image_info, PARAM_EP, VERSION_2, image_info_t, 0),
        .image_info.image_base = NS_IMAGE_OFFSET,
        .image_info.image_max_size = NS_IMAGE_MAX_SIZE,
        .next_handoff_image_id = INVALID_IMAGE_ID,
    },
};

REGISTER_BL_IMAGE_DESCS(images_to_load)

/* Where the build finds the windows, to prove that none covers memory in use (windows.py). */
CASSERT(sizeof(images_to_load[0]) == 184, assert_size_of_image_descriptor);
CASSERT(__builtin_offsetof(bl_mem_params_node_t, image_info.image_base) == 16,
        assert_place_of_image_base);
CASSERT(__builtin_offsetof(bl_mem_params_node_t, image_info.image_max_size) == 28,
        assert_place_of_image_max_size);

bl_load_info_t *plat_get_bl_image_load_info(void)
{
    return get_bl_load_info_from_mem_params_desc();
}

bl_params_t *plat_get_next_bl_params(void)
{
    return get_next_bl_params_from_mem_params_desc();
}

void plat_flush_next_bl_params(void)
{
    flush_bl_params_desc();
}
