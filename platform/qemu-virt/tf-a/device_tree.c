// SPDX-License-Identifier: Apache-2.0
/*
 * QEMU describes its machine in a device tree of its own, unsigned. Linux never sees it: Linux
 * gets the tree that the release signed. Only three values cross over, none of which names code,
 * memory or a device: the number of cores and two random seeds. Two more seeds, which QEMU keeps
 * apart from those for the normal world, go to OP-TEE.
 *
 * A slot is a firmware package and a root partition. The signed tree has a command line for each
 * slot, which differ in the partition only; BL2 keeps the one of the slot that it came from.
 */
#include <errno.h>
#include <string.h>

#include <libfdt.h>

#include <common/debug.h>
#include <lib/mmio.h>
#include <lib/utils.h>

#include <platform_def.h>

#include "device_tree.h"
#include "slot.h"

#define SEED_MAX 64

static void *const tree = (void *)KAPU_DT_BASE;
static void *const hardware = (void *)KAPU_HARDWARE_DT_BASE;

static int is_core(const void *fdt, int node)
{
    const char *type = fdt_getprop(fdt, node, "device_type", NULL);

    return type != NULL && strcmp(type, "cpu") == 0;
}

static unsigned int count_cores(const void *fdt)
{
    int cpus = fdt_path_offset(fdt, "/cpus");
    unsigned int count = 0;
    int node;

    if (cpus < 0)
        return 0;
    fdt_for_each_subnode (node, fdt, cpus)
        count += is_core(fdt, node) ? 1U : 0U;
    return count;
}

/* Remove cores that the machine does not have; the tree lists KAPU_MAX_CORES, lowest first. */
static int keep_cores(unsigned int present)
{
    char path[] = "/cpus/cpu@0";

    for (unsigned int i = KAPU_MAX_CORES; i > present; i--) {
        int node;
        int err;

        path[sizeof(path) - 2] = (char)('0' + i - 1);
        node = fdt_path_offset(tree, path);
        if (node < 0)
            return node;
        err = fdt_del_node(tree, node);
        if (err != 0)
            return err;
    }
    return 0;
}

static int copy_seed(const char *name)
{
    int from = fdt_path_offset(hardware, "/chosen");
    int to = fdt_path_offset(tree, "/chosen");
    uint8_t seed[SEED_MAX];
    const void *value;
    int length = 0;
    int err;

    if (from < 0 || to < 0)
        return -FDT_ERR_NOTFOUND;
    value = fdt_getprop(hardware, from, name, &length);
    if (value == NULL || length <= 0 || length > SEED_MAX)
        return -FDT_ERR_BADVALUE;
    memcpy(seed, value, (size_t)length);
    err = fdt_setprop(tree, to, name, seed, length);
    zeromem(seed, sizeof(seed));
    return err;
}

/* Word by word: the page is mapped as device memory. */
static int pass_secure_seed(const char *name, uintptr_t to, int size)
{
    int from = fdt_path_offset(hardware, "/secure-chosen");
    const fdt32_t *value;
    int length = 0;

    if (from < 0)
        return from;
    value = fdt_getprop(hardware, from, name, &length);
    if (value == NULL || length < size)
        return -FDT_ERR_BADVALUE;
    for (int i = 0; i < size / 4; i++)
        mmio_write_32(to + 4U * (uintptr_t)i, fdt32_ld(&value[i]));
    return 0;
}

/* Slot A's command line stands in place; slot B's replaces it. */
static int keep_command_line(void)
{
    static const char other[] = "kapu,bootargs-b";
    int chosen = fdt_path_offset(tree, "/chosen");
    int length = 0;
    const void *value;
    int err = 0;

    if (chosen < 0)
        return chosen;
    value = fdt_getprop(tree, chosen, other, &length);
    if (value == NULL || length <= 0 || length > KAPU_COMMAND_LINE_MAX)
        return -FDT_ERR_BADVALUE;
    if (slot_letter() == 'B') {
        static char line[KAPU_COMMAND_LINE_MAX];

        /* Setting a property moves the others: the value must not lie in the tree meanwhile. */
        memcpy(line, value, (size_t)length);
        err = fdt_setprop(tree, chosen, "bootargs", line, length);
    }
    return err == 0 ? fdt_delprop(tree, chosen, other) : err;
}

int device_tree_complete(void)
{
    unsigned int cores;
    int err;

    err = fdt_check_header(hardware);
    if (err != 0 || fdt_totalsize(hardware) > PLAT_QEMU_DT_MAX_SIZE)
        return err != 0 ? err : -FDT_ERR_BADSTRUCTURE;
    err = fdt_open_into(tree, tree, KAPU_DT_MAX_SIZE);
    cores = count_cores(hardware);
    if (err == 0)
        err = keep_command_line();
    if (err == 0)
        err = cores >= 1U ? keep_cores(cores) : -FDT_ERR_NOTFOUND;
    if (err == 0)
        err = copy_seed("kaslr-seed");
    if (err == 0)
        err = copy_seed("rng-seed");
    if (err == 0)
        err = fdt_pack(tree);
    if (err == 0)
        err = pass_secure_seed("kaslr-seed", KAPU_SECURE_SEED_BASE, 8);
    if (err == 0)
        err = pass_secure_seed("rng-seed", KAPU_SECURE_SEED_BASE + 8, 32);
    /* The seeds must not stay where any program in Linux that reads memory might find them. */
    zero_normalmem(hardware, PLAT_QEMU_DT_MAX_SIZE);
    flush_dcache_range(KAPU_HARDWARE_DT_BASE, PLAT_QEMU_DT_MAX_SIZE);
    flush_dcache_range(KAPU_DT_BASE, KAPU_DT_MAX_SIZE);
    return err;
}
