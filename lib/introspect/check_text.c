// SPDX-License-Identifier: Apache-2.0
/*
 * text.page, text.site, text.jump, rodata.page: every page of kernel text and read-only data is the
 * signed one, and every declared patch site holds a value that is legal there. Where in a page of
 * text something else stands is said as far as the profile tells.
 */
#include "internal.h"

/* How much of a page differs, from the finding's address on. */
static void say_granules(struct finding *f, uint32_t n)
{
    if (n == 0)
        return;
    say(f, ": ");
    if (n > 1) {
        say_dec(f, n);
        say(f, " pieces of ");
    }
    say_dec(f, GRANULE);
    say(f, n > 1 ? " bytes differ, this is the first" : " bytes differ");
}

static void page_differs(struct introspect *in, const struct page_fault *fault, void *ctx)
{
    const struct range *range = ctx;
    bool text = range->kind == RANGE_TEXT;
    uint32_t page = fault->offset & ~PAGE_MASK;
    struct finding f;

    if (fault->site) {
        finding_start(&f, fault->kind == SITE_FTRACE ? "text.ftrace" : "text.site",
                      INTROSPECT_ALARM, image_va(in, fault->offset), "patch site");
        say(&f, fault->kind == SITE_FTRACE ? "traced, or foreign: " : "holds an illegal value: ");
        say_hex(&f, fault->value);
    } else {
        finding_start(&f, text ? "text.page" : "rodata.page", INTROSPECT_ALARM,
                      image_va(in, fault->offset), text ? "kernel text" : "kernel read-only data");
        f.whole = image_va(in, page);
        say(&f, "page is not that of the signed image");
        say_granules(&f, fault->granules);
    }
    say(&f, ", offset ");
    say_hex(&f, fault->offset);
    f.pa = in->text_pa + (fault->site ? fault->offset : page);
    finding_add(in, &f);
}

/* A jump label is patched to what its key says; one that is not was patched by somebody else. */
static int jump_labels(struct introspect *in)
{
    for (uint32_t n = 0; n < profile_count(&in->profile, SECTION_SITES); n++) {
        struct site s = profile_site(&in->profile, n);
        uint32_t word, nop, enabled;
        bool taken;
        struct finding f;
        uint64_t key;
        int err;

        if (s.kind != SITE_JUMP)
            continue;
        key = image_va(in, s.extra & ~1u);
        err = read_u32(in, image_va(in, s.offset), &word);
        if (err == 0)
            err = field_u32(in, key, F_static_key_enabled, &enabled);
        if (err == KAPU_EABSENT)
            continue;
        if (err != 0)
            return err;
        nop = profile_word(&in->profile, SECTION_WORDS, s.first_word + 1, 0);
        taken = ((int32_t)enabled > 0) != ((s.extra & 1) != 0);
        if (taken == (word == nop)) {
            finding_start(&f, "text.jump", INTROSPECT_ALARM, image_va(in, s.offset), "jump label");
            say(&f, word == nop ? "is off" : "is on");
            say(&f, ", its key says otherwise: ");
            say_hex(&f, key);
            finding_add(in, &f);
        }
    }
    return 0;
}

static int judge_page(struct introspect *in, struct range *r, uint32_t at)
{
    return image_page(in, in->text_pa, in->slide, r, at, page_differs, r);
}

int check_text(struct introspect *in)
{
    for (uint32_t n = 0; n < profile_count(&in->profile, SECTION_RANGES); n++) {
        struct range r = profile_range(&in->profile, n);

        for (uint32_t at = r.start; at < r.end; at += PAGE_SIZE) {
            int err = judge_page(in, &r, at);

            if (err < 0 && err != KAPU_EABSENT) /* of an absent page nothing is said */
                return err;
        }
    }
    return jump_labels(in);
}

static int check_one_page(struct introspect *in)
{
    uint64_t offset = in->one_pa - in->text_pa;

    for (uint32_t n = 0; n < profile_count(&in->profile, SECTION_RANGES); n++) {
        struct range r = profile_range(&in->profile, n);

        if (offset >= r.start && offset < r.end && offset % PAGE_SIZE == 0) {
            int err = judge_page(in, &r, (uint32_t)offset);

            return err < 0 ? err : 0;
        }
    }
    return KAPU_EARG;
}

int introspect_run_page(struct introspect *in, uint64_t pa)
{
    static const struct introspect_check one = {"text", "a page of kernel code or constants",
                                                "that page, patch sites", check_one_page};

    in->one_pa = pa;
    return introspect_run(in, &one);
}

bool introspect_has_jump_labels(const struct introspect *in)
{
    for (uint32_t n = 0; n < profile_count(&in->profile, SECTION_SITES); n++) {
        if (profile_site(&in->profile, n).kind == SITE_JUMP)
            return true;
    }
    return false;
}
