// SPDX-License-Identifier: Apache-2.0
/* Code that the kernel has beside its image: modules, eBPF, kprobes. The gateway has none of it. */
#include "internal.h"

#define MODULES_MAX 1024u
#define MEMORIES_MAX 16u /* kinds of memory of a module */
#define PACKS_MAX 1024u
#define BPF_PACK_SIZE (2u << 20) /* a pack is at most a huge page (times the nodes: one here) */

struct module_walk {
    node_fn fn;
    void *ctx;
};

static int module_node(struct introspect *in, uint64_t node, void *ctx)
{
    const struct module_walk *w = ctx;

    return w->fn(in, node - item(in, F_module_list), w->ctx);
}

int module_walk(struct introspect *in, node_fn fn, void *ctx)
{
    struct module_walk w = {fn, ctx};

    if (!has(in, S_modules))
        return KAPU_ENOENT;
    return list_walk(in, symbol(in, S_modules), MODULES_MAX, module_node, &w);
}

static int module_memory(struct introspect *in, uint64_t module, uint32_t type, uint64_t *base,
                         uint32_t *size)
{
    uint64_t at = module + item(in, F_module_mem) + (uint64_t)type * item(in, Z_module_memory);
    int err = field_u64(in, at, F_module_memory_base, base);

    return err != 0 ? err : field_u32(in, at, F_module_memory_size, size);
}

int module_read(struct introspect *in, uint64_t va, struct introspect_module *m)
{
    int err;

    *m = (struct introspect_module){.va = va};
    err = read_text(in, va + item(in, F_module_name), m->name, sizeof(m->name));
    if (err == 0)
        err = field_u32(in, va, F_module_state, &m->state);
    return err != 0 ? err : module_memory(in, va, item(in, V_MOD_TEXT), &m->base, &m->size);
}

struct span {
    uint64_t va, size;
};

/* A walk's callbacks say 1 when they know the span. */
static int module_has(struct introspect *in, uint64_t module, void *ctx)
{
    static const enum item types[] = {V_MOD_TEXT, V_MOD_INIT_TEXT};
    const struct span *s = ctx;
    uint64_t base;
    uint32_t size;

    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (module_memory(in, module, item(in, types[i]), &base, &size) != 0)
            continue;
        size = (size + PAGE_MASK) & ~PAGE_MASK; /* mapped in whole pages */
        if (s->va >= base && s->va - base < size && s->size <= size - (s->va - base))
            return 1;
    }
    return 0;
}

static int module_has_any(struct introspect *in, uint64_t module, void *ctx)
{
    const uint64_t *va = ctx;
    uint64_t base;
    uint32_t size;

    for (uint32_t type = 0; type < item(in, V_MOD_MEM_NUM_TYPES) && type < MEMORIES_MAX; type++) {
        if (module_memory(in, module, type, &base, &size) == 0 && *va >= base && *va - base < size)
            return 1;
    }
    return 0;
}

bool module_holds(struct introspect *in, uint64_t va)
{
    uint64_t absent = in->stats.absent;

    return has(in, S_modules) &&
           (module_walk(in, module_has_any, &va) == 1 || in->stats.absent != absent);
}

static int pack_has(struct introspect *in, uint64_t node, void *ctx)
{
    const struct span *s = ctx;
    uint64_t base;

    if (field_u64(in, node - item(in, F_bpf_prog_pack_list), F_bpf_prog_pack_ptr, &base) != 0)
        return 0;
    return s->va >= base && s->va - base < BPF_PACK_SIZE ? 1 : 0;
}

/* kprobes' copies of instructions: pages that its cache lists. */
static int slots_have(struct introspect *in, uint64_t node, void *ctx)
{
    const struct span *s = ctx;
    uint64_t page;

    if (field_u64(in, node - item(in, F_kprobe_insn_page_list), F_kprobe_insn_page_insns, &page) !=
        0)
        return 0;
    return s->va >= page && s->va - page < PAGE_SIZE ? 1 : 0;
}

/* In the place of what it says of this code already, or of what was not seen for longest. */
static void remember(struct introspect *in, uint64_t va, uint64_t size)
{
    size_t at = 0;

    for (size_t i = 0; i < INTROSPECT_MODULE_CODE; i++) {
        if (in->module_code[i].va == va) {
            at = i;
            break;
        }
        if (in->module_code[i].deep < in->module_code[at].deep || in->module_code[i].size == 0)
            at = i;
    }
    in->module_code[at].va = va;
    in->module_code[at].size = (size + PAGE_MASK) & ~(uint64_t)PAGE_MASK;
    in->module_code[at].deep = in->deep;
}

static int remember_module(struct introspect *in, uint64_t module, void *ctx)
{
    static const enum item types[] = {V_MOD_TEXT, V_MOD_INIT_TEXT};
    struct introspect_module m;
    uint64_t base;
    uint32_t size;

    (void)ctx;
    if (!in->has_allow || module_read(in, module, &m) != 0 || !allow_module(&in->allow, m.name))
        return 0;
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (module_memory(in, module, item(in, types[i]), &base, &size) == 0 && size > 0)
            remember(in, base, size);
    }
    return 0;
}

void modules_remember(struct introspect *in)
{
    if (has(in, S_modules) && module_walk(in, remember_module, NULL) != 0)
        return; /* the check of modules says so */
}

bool code_was_a_modules(const struct introspect *in, uint64_t va, uint64_t size)
{
    for (size_t i = 0; i < INTROSPECT_MODULE_CODE; i++) {
        uint64_t at = va - in->module_code[i].va;

        if (in->deep - in->module_code[i].deep <= 1 && va >= in->module_code[i].va &&
            at < in->module_code[i].size && size <= in->module_code[i].size - at)
            return true;
    }
    return false;
}

bool code_is_known(struct introspect *in, uint64_t va, uint64_t size)
{
    uint64_t absent = in->stats.absent;
    struct span s = {va, size};

    if (has(in, S_modules) && module_walk(in, module_has, &s) == 1)
        return true;
    if (has(in, S_pack_list) &&
        list_walk(in, symbol(in, S_pack_list), PACKS_MAX, pack_has, &s) == 1)
        return true;
    if (has(in, S_kprobe_insn_slots) &&
        list_walk(in, symbol(in, S_kprobe_insn_slots) + item(in, F_kprobe_insn_cache_pages),
                  PACKS_MAX, slots_have, &s) == 1)
        return true;
    return in->stats.absent != absent; /* a record of it may be where memory is absent */
}

/* The number that kCFI puts in front of each function for its type; 0: there is none. */
static int function_type(struct introspect *in, uint64_t function, uint32_t *type)
{
    return read_u32(in, function - 4, type);
}

bool function_is_like(struct introspect *in, uint64_t function, uint64_t like)
{
    uint32_t one, other;
    int err_one = function_type(in, function, &one), err_other = function_type(in, like, &other);

    return one == other || err_one == KAPU_EABSENT || err_other == KAPU_EABSENT;
}

void callback_check(struct introspect *in, const char *id, const char *object, uint64_t at,
                    uint64_t function, uint64_t like)
{
    bool text = is_text(in, function);
    struct finding f;

    if (text ? function_is_like(in, function, like)
             : is_kernel_va(function) && code_is_known(in, function, 4))
        return;
    finding_start(&f, id, INTROSPECT_ALARM, at, object);
    say(&f, text ? "leads to a function of another type: " : "leads out of known code: ");
    say_hex(&f, function);
    finding_add(in, &f);
}

struct listing {
    introspect_module_fn fn;
    void *ctx;
};

static int list_module(struct introspect *in, uint64_t va, void *ctx)
{
    const struct listing *l = ctx;
    struct introspect_module m;
    int err = module_read(in, va, &m);

    return err != 0 ? err : l->fn(l->ctx, &m);
}

int introspect_modules(struct introspect *in, introspect_module_fn fn, void *ctx)
{
    struct listing l = {fn, ctx};

    budget_start(in);
    return module_walk(in, list_module, &l);
}
