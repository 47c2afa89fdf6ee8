// SPDX-License-Identifier: Apache-2.0
/*
 * lsm.hook, lsm.missing: every hook that a security module of the image registers is called: one of
 * the static calls of its hook belongs to it and is switched on. Each static call that is switched
 * on belongs to such a hook and leads to its function. Where a static call has its function and its
 * switch, the code of Linux knows; what the table says of that is compared, not believed.
 */
#include "internal.h"

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

/* A static call of any hook, as it is now. */
struct slot {
    uint64_t at, key, active, owner, function;
    uint32_t enabled;
};

static int slot_read(struct introspect *in, uint32_t n, struct slot *s)
{
    int err;

    *s = (struct slot){
        .at = symbol(in, S_static_calls_table) + (uint64_t)n * item(in, Z_lsm_static_call),
        .key = image_va(in, profile_word(&in->profile, SECTION_SLOTS, n, 0)),
        .active = image_va(in, profile_word(&in->profile, SECTION_SLOTS, n, 1)),
    };
    err = field_u64(in, s->at, F_lsm_static_call_hl, &s->owner);
    if (err == 0)
        err = field_u64(in, s->key, F_static_call_key_func, &s->function);
    return err != 0 ? err : field_u32(in, s->active, F_static_key_enabled, &s->enabled);
}

static uint64_t slots_at(const struct introspect *in, const struct hook *h, uint64_t n)
{
    return image_va(in, h->slots) + n * item(in, Z_lsm_static_call);
}

/* The hook of the image that has that static call by what the table says. */
static bool find_owner(const struct introspect *in, const struct slot *s, struct hook *h)
{
    for (uint32_t n = 0; n < profile_count(&in->profile, SECTION_HOOKS); n++) {
        *h = hook_at(in, n);
        if (s->owner == image_va(in, h->entry) && s->at >= slots_at(in, h, 0) &&
            s->at < slots_at(in, h, h->count))
            return true;
    }
    return false;
}

static void wrong_slot(struct introspect *in, const struct slot *s, const char *text,
                       uint64_t value)
{
    struct finding f;

    finding_start(&f, "lsm.hook", INTROSPECT_ALARM, s->at, "security hook");
    say(&f, text);
    say_hex(&f, value);
    finding_add(in, &f);
}

static int check_slot(struct introspect *in, uint32_t n)
{
    uint64_t key, active = 0;
    struct hook h;
    struct slot s;
    int err = slot_read(in, n, &s);

    if (err == 0)
        err = field_u64(in, s.at, F_lsm_static_call_key, &key);
    if (err == 0)
        err = field_u64(in, s.at, F_lsm_static_call_active, &active);
    if (err != 0)
        return err;
    if (key != s.key || active != s.active)
        wrong_slot(in, &s, "has another static call than its own in the table: ",
                   key != s.key ? key : active);
    if (s.enabled == 0)
        return 0;
    if (!find_owner(in, &s, &h))
        wrong_slot(in, &s, "is switched on and no module of the image has it: owner ", s.owner);
    else if (s.function != image_va(in, h.function))
        wrong_slot(in, &s, "leads to ", s.function);
    return 0;
}

/* Whether a hook of the image is called. */
static int check_hook(struct introspect *in, const struct hook *h)
{
    uint64_t first = (h->slots - item(in, S_static_calls_table)) / item(in, Z_lsm_static_call);
    struct finding f;
    struct slot s;

    for (uint64_t n = first; n - first < h->count && n < profile_count(&in->profile, SECTION_SLOTS);
         n++) {
        int err = slot_read(in, (uint32_t)n, &s);

        if (err != 0)
            return err;
        if (s.owner == image_va(in, h->entry) && (int32_t)s.enabled > 0)
            return 0;
    }
    finding_start(&f, "lsm.missing", INTROSPECT_ALARM, image_va(in, h->entry), "security hook");
    say(&f, "is not called, or switched off: function ");
    say_hex(&f, image_va(in, h->function));
    finding_add(in, &f);
    return 0;
}

int check_lsm(struct introspect *in)
{
    int err = 0;

    if (item(in, Z_lsm_static_call) == 0)
        return KAPU_EINVAL;
    for (uint32_t n = 0; err == 0 && n < profile_count(&in->profile, SECTION_HOOKS); n++) {
        struct hook h = hook_at(in, n);

        err = check_hook(in, &h);
    }
    for (uint32_t n = 0; err == 0 && n < profile_count(&in->profile, SECTION_SLOTS); n++)
        err = check_slot(in, n);
    return err;
}
