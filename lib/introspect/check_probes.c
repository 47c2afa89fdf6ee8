// SPDX-License-Identifier: Apache-2.0
/*
 * code.bpf, code.kprobe: programs and probes that somebody loaded into the kernel. Their code is
 * known to the kernel, but no signed image has it: policy says whether there may be any.
 */
#include "internal.h"

#define PROGRAMS_MAX 65536u
#define KPROBE_BUCKETS 64u /* 1 << KPROBE_HASH_BITS of kernel/kprobes.c */

static void found(struct introspect *in, const char *id, uint64_t va, const char *object,
                  const char *text, uint64_t code)
{
    struct finding f;

    finding_start(&f, id, INTROSPECT_ALARM, va, object);
    say(&f, text);
    say_hex(&f, code);
    finding_add(in, &f);
}

static int found_symbol(struct introspect *in, uint64_t symbol_va, uint64_t object)
{
    char name[INTROSPECT_OBJECT];
    uint64_t start;
    int err = field_u64(in, symbol_va, F_bpf_ksym_start, &start);

    if (err == 0)
        err = read_text(in, symbol_va + item(in, F_bpf_ksym_name), name, sizeof(name));
    if (err == 0)
        found(in, "code.bpf", object, name, "eBPF is not allowed by policy, code at ", start);
    return err;
}

static int found_program(struct introspect *in, uint64_t program, void *ctx)
{
    uint64_t aux;
    int err = field_u64(in, program, F_bpf_prog_aux, &aux);

    (void)ctx;
    return err != 0 ? err : found_symbol(in, aux + item(in, F_bpf_prog_aux_ksym), program);
}

static int found_code(struct introspect *in, uint64_t node, void *ctx)
{
    uint64_t symbol_va = node - item(in, F_bpf_ksym_lnode);

    (void)ctx;
    return found_symbol(in, symbol_va, symbol_va);
}

static int found_kprobe(struct introspect *in, uint64_t node, void *ctx)
{
    uint64_t probe = node - item(in, F_kprobe_hlist), at;
    int err = field_u64(in, probe, F_kprobe_addr, &at);

    (void)ctx;
    if (err == 0)
        found(in, "code.kprobe", probe, "kprobe", "probes are not allowed by policy, at ", at);
    return err;
}

int check_probes(struct introspect *in)
{
    int err = 0;

    if (has(in, S_prog_idr) && !allow_yes(&in->allow, STATE_BPF)) {
        err = xarray_walk(in, symbol(in, S_prog_idr) + item(in, F_idr_idr_rt), PROGRAMS_MAX,
                          found_program, NULL);
        if (err == 0 && has(in, S_bpf_kallsyms))
            err = list_walk(in, symbol(in, S_bpf_kallsyms), PROGRAMS_MAX, found_code, NULL);
    }
    if (!has(in, S_kprobe_table) || allow_yes(&in->allow, STATE_KPROBES))
        return err;
    for (uint32_t i = 0; err == 0 && i < KPROBE_BUCKETS; i++)
        err = hlist_walk(in, symbol(in, S_kprobe_table) + 8 * (uint64_t)i, PROGRAMS_MAX,
                         found_kprobe, NULL);
    return err;
}
