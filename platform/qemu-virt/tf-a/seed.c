// SPDX-License-Identifier: Apache-2.0
/* Random seeds of this boot, from the device tree that QEMU writes at each reset. */
#include <string.h>

#include <libfdt.h>

#include <platform_def.h>

#include "platform.h"
#include "seed.h"

int seed_read(const char *path, uint8_t seed[SEED_SIZE])
{
    const void *hardware = (const void *)KAPU_HARDWARE_DT_BASE;
    const void *value;
    int length = 0;
    int node = fdt_check_header(hardware);

    if (node == 0 && fdt_totalsize(hardware) > PLAT_QEMU_DT_MAX_SIZE)
        node = -FDT_ERR_BADSTRUCTURE;
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
