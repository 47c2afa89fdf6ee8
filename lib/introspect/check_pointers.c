// SPDX-License-Identifier: Apache-2.0
/*
 * pointers.foreign, pointers.type: every word of the kernel's writable data that was linked as a
 * pointer to a function still is one: null, or a function of the same type. The type is the number
 * that kCFI puts in front of each function.
 */
#include "internal.h"

static int check_pointer(struct introspect *in, uint32_t n)
{
    uint32_t place = profile_word(&in->profile, SECTION_POINTERS, n, 0);
    uint64_t at = image_va(in, place & ~POINTER_ANY_TYPE), value;
    uint64_t linked = image_va(in, profile_word(&in->profile, SECTION_POINTERS, n, 1));
    struct finding f;
    int err = read_u64(in, at, &value);

    if (err != 0 || value == linked || value == 0)
        return err;
    if (is_text(in, value)) {
        if ((place & POINTER_ANY_TYPE) != 0 ||
            function_type(in, value) == function_type(in, linked))
            return 0;
        finding_start(&f, "pointers.type", INTROSPECT_ALARM, at, "function pointer");
        say(&f, "leads to a function of another type: ");
    } else {
        if (is_kernel_va(value) && code_is_known(in, value, 4))
            return 0;
        finding_start(&f, "pointers.foreign", INTROSPECT_ALARM, at, "function pointer");
        say(&f, "leads out of kernel text: ");
    }
    say_hex(&f, value);
    finding_add(in, &f);
    return 0;
}

int check_pointers(struct introspect *in)
{
    int err = 0;

    for (uint32_t n = 0; err == 0 && n < profile_count(&in->profile, SECTION_POINTERS); n++)
        err = check_pointer(in, n);
    return err;
}
