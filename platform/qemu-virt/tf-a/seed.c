// SPDX-License-Identifier: Apache-2.0
/*
 * What QEMU's device tree, which it writes at each reset, says of the machine: random seeds of this
 * boot, and whether there is a TPM.
 */
#include <string.h>

#include <libfdt.h>

#include <platform_def.h>

#include "platform.h"
#include "seed.h"

static const void *const hardware = (const void *)KAPU_HARDWARE_DT_BASE;

static int check_tree(void)
{
    int err = fdt_check_header(hardware);

    return err == 0 && fdt_totalsize(hardware) > PLAT_QEMU_DT_MAX_SIZE ? -FDT_ERR_BADSTRUCTURE
                                                                       : err;
}

int seed_read(const char *path, uint8_t seed[SEED_SIZE])
{
    const void *value;
    int length = 0;
    int node = check_tree();

    if (node == 0)
        node = fdt_path_offset(hardware, path);
    if (node < 0)
        return node;
    value = fdt_getprop(hardware, node, "rng-seed", &length);
    if (value == NULL || length != SEED_SIZE)
        return -FDT_ERR_BADVALUE;
    memcpy(seed, value, SEED_SIZE);
    return 0;
}

int platform_random_seed(uint8_t seed[SEED_SIZE])
{
    return seed_read("/secure-chosen", seed);
}

/* Reading the registers of a device that is not there is a fault on this machine. */
bool platform_has_tpm(void)
{
    return check_tree() == 0 &&
           fdt_node_offset_by_compatible(hardware, -1, "tcg,tpm-tis-mmio") >= 0;
}
