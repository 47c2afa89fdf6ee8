// SPDX-License-Identifier: Apache-2.0
/*
 * Normal-world memory of the platform, told to OP-TEE at build time.
 *
 * OP-TEE takes this from a device tree where there is one. kapu gives it none (see
 * secure/optee/config.mk), and the platform always has 1 GiB at the same place, so the range that
 * may hold memory shared with Linux is a constant.
 */
#include <mm/core_memprot.h>

#include "platform.h"

register_ddr(PLATFORM_NORMAL_RAM, PLATFORM_NORMAL_RAM_SIZE);
