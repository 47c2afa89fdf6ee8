// SPDX-License-Identifier: Apache-2.0
/*
 * QEMU describes its machine in a device tree of its own, unsigned. Linux never sees it: Linux
 * gets the tree that the release signed. Only two values cross over, neither of which names code,
 * memory or a device: the number of cores and a random seed. Another seed, which QEMU keeps apart
 * from that for the normal world, goes to OP-TEE.
 *
 * The seeds for address layouts are derived from these, since QEMU makes new "rng-seed" values at
 * each reset, but "kaslr-seed" values only once.
 *
 * A slot is a firmware package and a root partition. The signed tree has a command line for each
 * slot, which differ in the partition only; BL2 keeps the one of the slot that it came from.
 */
#include <errno.h>
#include <string.h>

#include <libfdt.h>
#include <mbedtls/sha256.h>

#include <common/debug.h>
#include <lib/mmio.h>
#include <lib/utils.h>

#include <platform_def.h>

#include "canary.h"
#include "device_tree.h"
#include "handover.h"
#include "seed.h"
#include "slot.h"

#define LAYOUT_SEED_SIZE 8

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

/* A seed for an address layout, from which the other cannot be computed. */
static int derive_layout_seed(const uint8_t seed[SEED_SIZE], uint8_t out[LAYOUT_SEED_SIZE])
{
    static const char label[] = "kapu address layout";
    uint8_t input[sizeof(label) + SEED_SIZE];
    uint8_t digest[SEED_SIZE];
    int err;

    memcpy(input, label, sizeof(label));
    memcpy(input + sizeof(label), seed, SEED_SIZE);
    err = mbedtls_sha256(input, sizeof(input), digest, 0);
    memcpy(out, digest, LAYOUT_SEED_SIZE);
    zeromem(input, sizeof(input));
    zeromem(digest, sizeof(digest));
    return err == 0 ? 0 : -FDT_ERR_INTERNAL;
}

static int seed_linux(void)
{
    int chosen = fdt_path_offset(tree, "/chosen");
    uint8_t layout[LAYOUT_SEED_SIZE];
    uint8_t seed[SEED_SIZE];
    int err;

    err = chosen < 0 ? chosen : seed_read("/chosen", seed);
    if (err == 0)
        err = derive_layout_seed(seed, layout);
    if (err == 0)
        err = fdt_setprop(tree, chosen, "kaslr-seed", layout, sizeof(layout));
    if (err == 0)
        err = fdt_setprop(tree, chosen, "rng-seed", seed, sizeof(seed));
    zeromem(layout, sizeof(layout));
    zeromem(seed, sizeof(seed));
    return err;
}

/* Word by word: the page is mapped as device memory. */
static void write_words(uintptr_t to, const uint8_t *from, size_t n)
{
    for (size_t i = 0; i < n; i += 4)
        mmio_write_32(to + i, kapu_le32(from + i));
}

static int seed_optee(void)
{
    uint8_t layout[LAYOUT_SEED_SIZE];
    uint8_t seed[SEED_SIZE];
    int err;

    err = seed_read("/secure-chosen", seed);
    if (err == 0)
        err = derive_layout_seed(seed, layout);
    if (err == 0) {
        write_words(KAPU_HANDOVER_BASE + HANDOVER_LAYOUT_SEED, layout, sizeof(layout));
        write_words(KAPU_HANDOVER_BASE + HANDOVER_RANDOM_SEED, seed, sizeof(seed));
    }
    zeromem(layout, sizeof(layout));
    zeromem(seed, sizeof(seed));
    return err;
}

static int seed_bl31(void)
{
    uint8_t canary[CANARY_SIZE];
    int err = canary_derive(CANARY_BL31, canary);

    if (err == 0)
        write_words(KAPU_HANDOVER_BASE + HANDOVER_CANARY, canary, sizeof(canary));
    zeromem(canary, sizeof(canary));
    return err;
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
        err = seed_linux();
    if (err == 0)
        err = fdt_pack(tree);
    if (err == 0)
        err = seed_optee();
    if (err == 0)
        err = seed_bl31();
    /* The seeds must not stay where any program in Linux that reads memory might find them. */
    zero_normalmem(hardware, PLAT_QEMU_DT_MAX_SIZE);
    flush_dcache_range(KAPU_HARDWARE_DT_BASE, PLAT_QEMU_DT_MAX_SIZE);
    flush_dcache_range(KAPU_DT_BASE, KAPU_DT_MAX_SIZE);
    return err;
}
