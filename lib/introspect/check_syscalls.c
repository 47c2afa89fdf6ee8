// SPDX-License-Identifier: Apache-2.0
/* syscalls.entry: each entry of the kernel's constant function tables is the linked one. */
#include "internal.h"

static int check_entry(struct introspect *in, uint32_t table, uint32_t n)
{
    uint32_t start = profile_word(&in->profile, SECTION_TABLES, table, 0);
    uint32_t first = profile_word(&in->profile, SECTION_TABLES, table, 2);
    uint64_t at = image_va(in, start) + 8 * (uint64_t)n, value;
    uint64_t want = image_va(in, profile_word(&in->profile, SECTION_ENTRIES, first + n, 0));
    char object[40] = "sys_call_table[";
    struct finding f;
    int err = read_u64(in, at, &value);

    if (err != 0 || value == want)
        return err;
    text_append_dec(object, sizeof(object), n);
    text_append(object, sizeof(object), "]");
    finding_start(&f, "syscalls.entry", INTROSPECT_ALARM, at, object);
    say(&f, "leads to ");
    say_hex(&f, value);
    say(&f, is_text(in, value) ? " (kernel text)" : " (not kernel text)");
    say(&f, " instead of ");
    say_hex(&f, want);
    finding_add(in, &f);
    return 0;
}

int check_syscalls(struct introspect *in)
{
    for (uint32_t t = 0; t < profile_count(&in->profile, SECTION_TABLES); t++) {
        for (uint32_t n = 0; n < profile_word(&in->profile, SECTION_TABLES, t, 1); n++) {
            int err = check_entry(in, t, n);

            if (err != 0)
                return err;
        }
    }
    return 0;
}
