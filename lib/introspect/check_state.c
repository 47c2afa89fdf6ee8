// SPDX-License-Identifier: Apache-2.0
/*
 * state.*: single values that attackers change: lockdown, limits, programs that the kernel starts
 * by itself, and the root hash of the verified root device. Policy says what they must be.
 */
#include "internal.h"

#include <string.h>

#define DEVICES_MAX 256u

struct value {
    enum allow_state key;
    enum item symbol;
    bool wide; /* 64 bits */
    const char *id, *name;
};

static const struct value values[] = {
    {STATE_LOCKDOWN, S_kernel_locked_down, false, "state.lockdown", "lockdown"},
    {STATE_PTRACE_SCOPE, S_ptrace_scope, false, "state.ptrace", "ptrace_scope"},
    {STATE_MMAP_MIN_ADDR, S_mmap_min_addr, true, "state.mmap_min_addr", "mmap_min_addr"},
    {STATE_MODPROBE, S_modprobe_path, false, "state.modprobe", "modprobe_path"},
    {STATE_CORE_PATTERN, S_core_pattern, false, "state.core_pattern", "core_pattern"},
    {STATE_POWEROFF, S_poweroff_cmd, false, "state.poweroff", "poweroff_cmd"},
};

static int check_number(struct introspect *in, const struct value *v, uint32_t want)
{
    uint64_t at = symbol(in, v->symbol), now = 0;
    uint32_t word = 0;
    struct finding f;
    int err = v->wide ? read_u64(in, at, &now) : read_u32(in, at, &word);

    if (!v->wide)
        now = word;
    if (v->key == STATE_LOCKDOWN && want > 0)
        want = item(in, want == 1 ? V_LOCKDOWN_INTEGRITY_MAX : V_LOCKDOWN_CONFIDENTIALITY_MAX);
    if (err != 0 || now == want)
        return err;
    finding_start(&f, v->id, INTROSPECT_ALARM, at, v->name);
    say(&f, "is ");
    say_dec(&f, now);
    say(&f, ", policy says ");
    say_dec(&f, want);
    finding_add(in, &f);
    return 0;
}

static int check_string(struct introspect *in, const struct value *v, const char *want)
{
    char now[64];
    uint64_t at = symbol(in, v->symbol);
    struct finding f;
    int err = read_text(in, at, now, sizeof(now));

    if (err != 0 || text_equal(now, want))
        return err;
    finding_start(&f, v->id, INTROSPECT_ALARM, at, v->name);
    say(&f, "is '");
    say(&f, now);
    say(&f, "', policy says '");
    say(&f, want);
    say(&f, "'");
    finding_add(in, &f);
    return 0;
}

static void verity_wrong(struct introspect *in, uint64_t at, const char *object, const char *text)
{
    struct finding f;

    finding_start(&f, "state.verity", INTROSPECT_ALARM, at, object);
    say(&f, text);
    finding_add(in, &f);
}

struct verity {
    verity_fn fn;
    void *ctx;
};

static int read_device(struct introspect *in, uint64_t node, void *ctx)
{
    const struct verity *v = ctx;
    struct verity_device d = {0};
    uint64_t cell = node - item(in, F_hash_cell_name_node), md = 0, map = 0, targets = 0, type = 0,
             private = 0, at = 0;
    uint32_t n = 0;
    int err = field_u64(in, cell, F_hash_cell_md, &md);

    if (err == 0 && field_u64(in, cell, F_hash_cell_name, &at) == 0)
        err = read_text(in, at, d.name, sizeof(d.name));
    if (err == 0)
        err = field_u64(in, md, F_mapped_device_map, &map);
    if (err != 0 || map == 0)
        return err;
    err = field_u32(in, map, F_dm_table_num_targets, &n);
    if (err == 0)
        err = field_u64(in, map, F_dm_table_targets, &targets);
    if (err == 0 && n > 0)
        err = field_u64(in, targets, F_dm_target_type, &type);
    if (err != 0 || n == 0 || type != symbol(in, S_verity_target))
        return err;
    err = field_u64(in, targets, F_dm_target_private, &private);
    if (err == 0)
        err = field_u32(in, private, F_dm_verity_digest_size, &d.size);
    if (err == 0)
        err = field_u64(in, private, F_dm_verity_root_digest, &d.at);
    if (err == 0 && d.size <= sizeof(d.digest))
        err = read_va(in, d.at, d.digest, d.size);
    d.alone = n == 1;
    return err != 0 ? err : v->fn(in, &d, v->ctx);
}

int verity_walk(struct introspect *in, verity_fn fn, void *ctx)
{
    struct verity v = {fn, ctx};

    return rbtree_walk(in, symbol(in, S_name_rb_tree), DEVICES_MAX, read_device, &v);
}

/* Every verity device has the signed root hash; and there is one. */
static int check_device(struct introspect *in, const struct verity_device *d, void *ctx)
{
    struct bytes want = allow_root(&in->allow);

    *(bool *)ctx = true;
    if (!d->alone || d->size != want.n || want.n > sizeof(d->digest) ||
        memcmp(d->digest, want.p, want.n) != 0)
        verity_wrong(in, d->at, d->name, "its root hash is not that of the signed image");
    return 0;
}

static int check_verity(struct introspect *in)
{
    bool found = false;
    int err;

    if (allow_root(&in->allow).n == 0)
        return 0;
    err = verity_walk(in, check_device, &found);
    if (err == 0 && !found)
        verity_wrong(in, symbol(in, S_name_rb_tree), "root device", "no device is verified");
    return err;
}

int check_state(struct introspect *in)
{
    if (!in->has_allow)
        return KAPU_EUNSUPPORTED;
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        const char *text;
        uint32_t want;
        int err;

        if (!has(in, values[i].symbol) || allow_state(&in->allow, values[i].key, &want, &text) != 0)
            continue;
        err =
            text != NULL ? check_string(in, &values[i], text) : check_number(in, &values[i], want);
        if (err != 0)
            return err;
    }
    return check_verity(in);
}
