// SPDX-License-Identifier: Apache-2.0
/*
 * lsm.hook, lsm.missing: every hook that a security module of the image registers is called: one of
 * the static calls of its hook is switched on, belongs to it, and leads to its function. Those that
 * belong to none of them are switched off.
 */
#include "internal.h"

#define SLOTS_MAX 32u

struct hook {
    uint32_t entry, function, slots, count;
};

static struct hook hook_at(const struct introspect *in, uint32_t n)
{
    return (struct hook){
        .entry = profile_word(&in->profile, SECTION_HOOKS, n, 0),
        .function = profile_word(&in->profile, SECTION_HOOKS, n, 1),
        .slots = profile_word(&in->profile, SECTION_HOOKS, n, 2),
        .count = profile_word(&in->profile, SECTION_HOOKS, n, 3),
    };
}

static void wrong(struct introspect *in, const char *id, const struct hook *h, const char *text,
                  uint64_t value)
{
    struct finding f;

    finding_start(&f, id, INTROSPECT_ALARM, image_va(in, h->entry), "security hook");
    say(&f, text);
    say_hex(&f, value);
    say(&f, ", function ");
    say_hex(&f, image_va(in, h->function));
    finding_add(in, &f);
}

/* The static call that this hook owns; 0: none does. */
static int find_slot(struct introspect *in, const struct hook *h, uint64_t *slot)
{
    *slot = 0;
    for (uint32_t i = 0; i < h->count && i < SLOTS_MAX; i++) {
        uint64_t at = image_va(in, h->slots) + (uint64_t)i * item(in, Z_lsm_static_call), owner;
        int err = field_u64(in, at, F_lsm_static_call_hl, &owner);

        if (err != 0)
            return err;
        if (owner == image_va(in, h->entry)) {
            *slot = at;
            return 0;
        }
    }
    return 0;
}

static bool is_owner(const struct introspect *in, uint64_t va)
{
    for (uint32_t n = 0; n < profile_count(&in->profile, SECTION_HOOKS); n++) {
        if (va == image_va(in, hook_at(in, n).entry))
            return true;
    }
    return false;
}

/* Static calls beside those that the image's modules own. */
static int check_others(struct introspect *in, const struct hook *h)
{
    int err = 0;

    for (uint32_t i = 0; err == 0 && i < h->count && i < SLOTS_MAX; i++) {
        uint64_t at = image_va(in, h->slots) + (uint64_t)i * item(in, Z_lsm_static_call), owner = 0,
                 active = 0;
        uint32_t enabled = 0;
        struct finding f;

        err = field_u64(in, at, F_lsm_static_call_hl, &owner);
        if (err == 0)
            err = field_u64(in, at, F_lsm_static_call_active, &active);
        if (err == 0)
            err = field_u32(in, active, F_static_key_enabled, &enabled);
        if (err != 0 || enabled == 0 || is_owner(in, owner))
            continue;
        finding_start(&f, "lsm.hook", INTROSPECT_ALARM, at, "security hook");
        say(&f, "is switched on and no module of the image has it: owner ");
        say_hex(&f, owner);
        finding_add(in, &f);
    }
    return err;
}

static int check_hook(struct introspect *in, const struct hook *h)
{
    uint64_t slot, key, active, function = 0;
    uint32_t enabled = 0;
    int err = find_slot(in, h, &slot);

    if (err != 0)
        return err;
    if (slot == 0) {
        wrong(in, "lsm.missing", h, "is not called at all: slots at ", image_va(in, h->slots));
        return 0;
    }
    err = field_u64(in, slot, F_lsm_static_call_key, &key);
    if (err == 0)
        err = field_u64(in, slot, F_lsm_static_call_active, &active);
    if (err == 0)
        err = field_u64(in, key, F_static_call_key_func, &function);
    if (err == 0)
        err = field_u32(in, active, F_static_key_enabled, &enabled);
    if (err != 0)
        return err;
    if (function != image_va(in, h->function))
        wrong(in, "lsm.hook", h, "leads to ", function);
    if ((int32_t)enabled <= 0)
        wrong(in, "lsm.missing", h, "is switched off: slot at ", slot);
    return 0;
}

int check_lsm(struct introspect *in)
{
    int err = 0;

    for (uint32_t n = 0; err == 0 && n < profile_count(&in->profile, SECTION_HOOKS); n++) {
        struct hook h = hook_at(in, n);

        err = check_hook(in, &h);
        if (err == 0)
            err = check_others(in, &h);
    }
    return err;
}
