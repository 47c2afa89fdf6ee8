# SPDX-License-Identifier: Apache-2.0
#
# TF-A platform "kapu_qemu_virt": QEMU's virt machine with secure=on.
# Low-level parts (console, GIC, power control, page tables) are TF-A's for QEMU; slots, image
# source, root key and the device tree are kapu's.

PLAT_QEMU_PATH		:= plat/qemu/qemu
PLAT_QEMU_COMMON_PATH	:= plat/qemu/common
KAPU_PLAT		:= plat/kapu/kapu_qemu_virt
KAPU_BOOT		:= plat/kapu/boot
KAPU_LIB		:= plat/kapu/lib

SEPARATE_CODE_AND_RODATA	:= 1
# BL1 and BL2 parse certificates and tables that an attacker may have written.
ENABLE_STACK_PROTECTOR		:= strong
ARM_LINUX_KERNEL_AS_BL33	:= 1
BL32_RAM_LOCATION_ID		:= SEC_DRAM_ID
ARM_PRELOADED_DTB_BASE		:= KAPU_DT_BASE
NEED_BL32			:= yes

# Our platform_def.h must be found before QEMU's, which common.mk lists.
KAPU_INCLUDES		:= -I. -I$(KAPU_PLAT)/include -I$(KAPU_BOOT) -Iplat/kapu/wire \
			   $(addprefix -I,$(wildcard $(KAPU_LIB)/*/include))

include plat/qemu/common/common.mk

PLAT_INCLUDES		:= $(KAPU_INCLUDES) $(PLAT_INCLUDES)

include drivers/auth/mbedtls/mbedtls_x509.mk
include drivers/auth/mbedtls/mbedtls_crypto.mk

# One list of sources a library, read here and by Meson.
KAPU_LIB_SOURCES	:= $(foreach lib,base fip tis tpm2 eventlog bootstate fusebox,	\
			   $(addprefix $(KAPU_LIB)/$(lib)/,$(shell cat $(KAPU_LIB)/$(lib)/sources.list)))

KAPU_VERIFY_SOURCES	:= drivers/auth/auth_mod.c			\
			   drivers/auth/crypto_mod.c			\
			   drivers/auth/img_parser_mod.c		\
			   drivers/auth/tbbr/tbbr_cot_common.c		\
			   plat/common/tbbr/plat_tbbr.c			\
			   drivers/io/io_storage.c			\
			   $(KAPU_BOOT)/slot.c				\
			   $(KAPU_BOOT)/slot_io.c			\
			   $(KAPU_BOOT)/release.c			\
			   $(KAPU_BOOT)/root_key.c			\
			   $(KAPU_BOOT)/crypto.c			\
			   $(KAPU_BOOT)/trust.c				\
			   $(KAPU_PLAT)/reset.c				\
			   $(KAPU_PLAT)/seed.c				\
			   $(KAPU_PLAT)/tpm.c				\
			   $(KAPU_PLAT)/memory_use.S			\
			   $(KAPU_BOOT)/canary.c				\
			   $(KAPU_LIB_SOURCES)

# Its stack canary is a constant and a counter; ours comes from a seed.
PLAT_BL_COMMON_SOURCES	:= $(filter-out plat/qemu/common/qemu_stack_protector.c,	\
			   $(PLAT_BL_COMMON_SOURCES))

# common.mk brings QEMU's own storage and boot flow along; kapu has its own.
KAPU_UNUSED		:= drivers/io/io_semihosting.c			\
			   drivers/io/io_storage.c			\
			   drivers/io/io_fip.c				\
			   drivers/io/io_memmap.c			\
			   lib/semihosting/semihosting.c		\
			   lib/semihosting/aarch64/semihosting_call.S	\
			   plat/qemu/common/qemu_io_storage.c		\
			   plat/qemu/common/qemu_bl1_setup.c		\
			   plat/qemu/common/qemu_bl2_setup.c		\
			   plat/qemu/common/qemu_bl2_mem_params_desc.c	\
			   plat/qemu/common/qemu_image_load.c		\
			   common/fdt_fixup.c

BL1_SOURCES		:= $(filter-out $(KAPU_UNUSED),$(BL1_SOURCES))	\
			   bl1/tbbr/tbbr_img_desc.c			\
			   drivers/auth/tbbr/tbbr_cot_bl1.c		\
			   $(KAPU_VERIFY_SOURCES)			\
			   $(LIBFDT_SRCS)				\
			   $(KAPU_BOOT)/trust_bl1.c			\
			   $(KAPU_BOOT)/release_bl1.c			\
			   $(KAPU_PLAT)/bl1.c

BL2_SOURCES		:= $(filter-out $(KAPU_UNUSED),$(BL2_SOURCES))	\
			   drivers/auth/tbbr/tbbr_cot_bl2.c		\
			   $(KAPU_VERIFY_SOURCES)			\
			   $(KAPU_BOOT)/trust_bl2.c			\
			   $(KAPU_BOOT)/release_bl2.c			\
			   $(KAPU_PLAT)/bl2.c				\
			   $(KAPU_PLAT)/bl2_images.c			\
			   $(KAPU_PLAT)/device_tree.c			\
			   $(LIBFDT_SRCS)

include drivers/arm/gic/v3/gicv3.mk

BL31_SOURCES		+= $(GICV3_SOURCES)				\
			   plat/common/plat_gicv3.c			\
			   plat/qemu/common/qemu_gicv3.c		\
			   plat/qemu/common/qemu_pm.c			\
			   plat/qemu/common/topology.c			\
			   drivers/arm/pl061/pl061_gpio.c		\
			   drivers/gpio/gpio.c				\
			   $(KAPU_BOOT)/normal_world.c			\
			   $(KAPU_PLAT)/panic.S				\
			   $(KAPU_BOOT)/canary_bl31.c			\
			   $(KAPU_PLAT)/power.c

# TF-A's power control is taken over, not copied.
BL31_LDFLAGS		+= -Wl,--wrap=plat_setup_psci_ops

# Without these mbedTLS reduces modulo P-256 by a division, and multiplies without assembler.
$(eval $(call add_define,MBEDTLS_ECP_NIST_OPTIM))
$(eval $(call add_define,MBEDTLS_HAVE_ASM))

$(eval $(call add_define,ARM_LINUX_KERNEL_AS_BL33))
$(eval $(call add_define,ARM_PRELOADED_DTB_BASE))
$(eval $(call add_define,BL32_RAM_LOCATION_ID))
$(eval $(call add_define,QEMU_LOAD_BL32))
