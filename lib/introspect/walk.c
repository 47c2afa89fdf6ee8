// SPDX-License-Identifier: Apache-2.0
/*
 * The kernel's containers. Each walk counts its nodes and ends with KAPU_EINVAL when there are more
 * than the caller thinks possible: a cycle looks like that.
 */
#include "internal.h"

#define XARRAY_DEPTH 11u /* 64 bits in steps of 6 */
#define MAPLE_DEPTH 31u
#define MAPLE_SLOTS_RANGE 16u /* include/linux/maple_tree.h, 64-bit */
#define MAPLE_SLOTS_ARANGE 10u
#define MAPLE_ALIGN 256u
#define CPUS_MAX 64u

int list_walk(struct introspect *in, uint64_t head, uint32_t most, node_fn fn, void *ctx)
{
    uint64_t node, before = head, back;
    int err = read_u64(in, head, &node);

    for (uint32_t i = 0; err == 0 && node != head; i++) {
        if (i == most)
            return KAPU_EINVAL;
        err = read_u64(in, node + 8, &back);
        if (err == 0 && back != before)
            return KAPU_EINVAL;
        if (err == 0)
            err = fn(in, node, ctx);
        before = node;
        if (err == 0)
            err = read_u64(in, node, &node);
    }
    return err;
}

static int hlist(struct introspect *in, uint64_t head, uint32_t most, node_fn fn, void *ctx,
                 uint64_t *end)
{
    uint64_t node;
    int err = read_u64(in, head, &node);

    for (uint32_t i = 0; err == 0 && node != 0 && (node & 1) == 0; i++) {
        if (i == most)
            return KAPU_EINVAL;
        err = fn(in, node, ctx);
        if (err == 0)
            err = read_u64(in, node, &node);
    }
    *end = node;
    return err;
}

int hlist_walk(struct introspect *in, uint64_t head, uint32_t most, node_fn fn, void *ctx)
{
    uint64_t end = 0;
    int err = hlist(in, head, most, fn, ctx, &end);

    return err == 0 && end != 0 ? KAPU_EINVAL : err;
}

int nulls_walk(struct introspect *in, uint64_t head, uint32_t most, node_fn fn, void *ctx)
{
    uint64_t end = 0;
    int err = hlist(in, head, most, fn, ctx, &end);

    return err == 0 && end == 0 ? KAPU_EINVAL : err;
}

/* In order, by parent pointers: no stack, and a wrong parent pointer ends it by the count. */
int rbtree_walk(struct introspect *in, uint64_t root, uint32_t most, node_fn fn, void *ctx)
{
    const uint64_t right = 8, left = 16; /* struct rb_node: parent and colour, right, left */
    uint64_t node, next, top;
    uint32_t steps = 0;
    int err = read_u64(in, root, &node);

    top = node;
    for (next = node; err == 0 && next != 0; steps++) {
        if (steps > most)
            return KAPU_EINVAL;
        node = next;
        err = read_u64(in, node + left, &next);
    }
    for (uint32_t n = 0; err == 0 && node != 0; n++) {
        if (n == most)
            return KAPU_EINVAL;
        err = fn(in, node, ctx);
        if (err == 0)
            err = read_u64(in, node + right, &next);
        if (err == 0 && next != 0) {
            for (steps = 0; err == 0 && next != 0; steps++) {
                if (steps > most)
                    return KAPU_EINVAL;
                node = next;
                err = read_u64(in, node + left, &next);
            }
            continue;
        }
        for (steps = 0; err == 0; steps++) {
            uint64_t child = node, r;

            if (steps > most)
                return KAPU_EINVAL;
            err = read_u64(in, node, &node);
            node &= ~3ull;
            if (err == 0 && node == 0 && child != top)
                return KAPU_EINVAL; /* only the root has no parent */
            if (node == 0 || err != 0)
                break;
            err = read_u64(in, node + right, &r);
            if (err != 0 || r == child)
                continue;
            err = read_u64(in, node + left, &r);
            if (err == 0 && r != child)
                return KAPU_EINVAL; /* a parent of others: what is between them would be left out */
            break;
        }
    }
    return err;
}

/* How many cores there may be. Linux has set that once, by its mask of them; who lowers the number
 * only would have a core left out, also where no registers are known. */
static int count_cpus(struct introspect *in, uint32_t *cpus)
{
    uint64_t possible = 0;
    int err = read_u32(in, symbol(in, S_nr_cpu_ids), cpus);

    if (err == 0)
        err = read_u64(in, symbol(in, S___cpu_possible_mask), &possible);
    if (err == 0 &&
        (*cpus == 0 || *cpus < in->cpus || *cpus > CPUS_MAX || possible >> (*cpus - 1) != 1))
        return KAPU_EINVAL;
    return err;
}

int cpu_walk(struct introspect *in, enum item variable, node_fn fn, void *ctx)
{
    uint64_t base;
    uint32_t cpus = 0;
    int err = count_cpus(in, &cpus);

    for (uint32_t cpu = 0; err == 0 && cpu < cpus; cpu++) {
        err = read_u64(in, symbol(in, S___per_cpu_offset) + 8 * (uint64_t)cpu, &base);
        if (err == 0)
            err = fn(in, symbol(in, variable) + base, ctx);
    }
    return err;
}

struct xa_level {
    uint64_t node;
    uint32_t slot;
};

static bool xa_is_node(uint64_t entry)
{
    return (entry & 3) == 2 && entry > 4096; /* xa_is_internal() and not a small special value */
}

int xarray_walk(struct introspect *in, uint64_t xarray, uint32_t most, node_fn fn, void *ctx)
{
    struct xa_level stack[XARRAY_DEPTH];
    uint32_t depth = 0, steps = 0;
    uint64_t entry;
    int err = field_u64(in, xarray, F_xarray_xa_head, &entry);

    if (err != 0 || entry == 0)
        return err;
    if (!xa_is_node(entry))
        return (entry & 3) == 0 ? fn(in, entry, ctx) : 0;
    stack[depth++] = (struct xa_level){entry - 2, 0};
    while (depth > 0 && err == 0) {
        struct xa_level *l = &stack[depth - 1];

        if (l->slot == 64) {
            depth--;
            continue;
        }
        if (steps++ / 64 > most)
            return KAPU_EINVAL;
        err = read_u64(in, l->node + item(in, F_xa_node_slots) + 8 * (uint64_t)l->slot++, &entry);
        if (err != 0 || entry == 0)
            continue;
        if (xa_is_node(entry)) {
            if (depth == XARRAY_DEPTH)
                return KAPU_EINVAL;
            stack[depth++] = (struct xa_level){entry - 2, 0};
        } else if ((entry & 3) == 0) {
            err = fn(in, entry, ctx);
        }
    }
    return err;
}

/* A node of a maple tree: its address has its type in bits 3 to 6 (mte_node_type()). */
struct maple_level {
    uint64_t slots, pivots, max;
    uint32_t n, at;
    bool leaf;
};

static int maple_open(const struct introspect *in, uint64_t encoded, uint64_t max,
                      struct maple_level *l)
{
    uint32_t type = (uint32_t)(encoded >> 3 & 0xf);
    uint64_t node = encoded & ~(uint64_t)(MAPLE_ALIGN - 1);

    *l = (struct maple_level){.max = max};
    if (type == 1 || type == 2) { /* maple_leaf_64, maple_range_64 */
        l->slots = node + item(in, F_maple_range_64_slot);
        l->pivots = node + item(in, F_maple_range_64_pivot);
        l->n = MAPLE_SLOTS_RANGE;
        l->leaf = type == 1;
    } else if (type == 3) { /* maple_arange_64 */
        l->slots = node + item(in, F_maple_arange_64_slot);
        l->pivots = node + item(in, F_maple_arange_64_pivot);
        l->n = MAPLE_SLOTS_ARANGE;
    } else {
        return KAPU_EINVAL; /* dense nodes hold no VMAs */
    }
    return 0;
}

/* The next slot's entry and the largest index that it covers; behind the last one the node is done.
 * What lies behind the slot that reaches the node's maximum is not data. */
static int maple_slot(struct introspect *in, struct maple_level *l, uint64_t *entry, uint64_t *max)
{
    uint32_t i = l->at++;
    int err = read_u64(in, l->slots + 8 * (uint64_t)i, entry);

    *max = l->max;
    if (err == 0 && i + 1 < l->n)
        err = read_u64(in, l->pivots + 8 * (uint64_t)i, max);
    if (*max >= l->max || (*max == 0 && i > 0)) {
        *max = l->max;
        l->at = l->n;
    }
    return err;
}

int maple_walk(struct introspect *in, uint64_t tree, uint32_t most, node_fn fn, void *ctx)
{
    struct maple_level stack[MAPLE_DEPTH];
    uint32_t depth = 1, steps = 0;
    uint64_t entry, max;
    int err = field_u64(in, tree, F_maple_tree_ma_root, &entry);

    if (err != 0 || entry == 0)
        return err;
    if ((entry & 3) != 2 || entry <= 4096)
        return fn(in, entry, ctx); /* one entry, no node */
    err = maple_open(in, entry, UINT64_MAX, &stack[0]);
    while (depth > 0 && err == 0) {
        struct maple_level *l = &stack[depth - 1];

        if (l->at >= l->n) {
            depth--;
            continue;
        }
        if (steps++ / MAPLE_SLOTS_ARANGE > most)
            return KAPU_EINVAL;
        err = maple_slot(in, l, &entry, &max);
        if (err != 0 || entry == 0 || (l->leaf && (entry & 3) != 0))
            continue; /* gaps and special values */
        if (l->leaf) {
            err = fn(in, entry, ctx);
            continue;
        }
        if (depth == MAPLE_DEPTH)
            return KAPU_EINVAL;
        err = maple_open(in, entry, max, &stack[depth++]);
    }
    return err;
}
