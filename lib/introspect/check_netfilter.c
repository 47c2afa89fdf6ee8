// SPDX-License-Identifier: Apache-2.0
/* netfilter.hook: every function that sees packets by netfilter is kernel text or known code. */
#include "internal.h"

#define HOOKS 5u
#define ENTRIES_MAX 1024u

static int check_entries(struct introspect *in, uint64_t entries, const char *family)
{
    uint16_t n = 0;
    uint64_t hook;
    int err = read_u16(in, entries + item(in, F_nf_hook_entries_num_hook_entries), &n);

    if (n > ENTRIES_MAX)
        return KAPU_EINVAL;
    for (uint32_t i = 0; err == 0 && i < n; i++) {
        uint64_t at = entries + item(in, F_nf_hook_entries_hooks) +
                      (uint64_t)i * item(in, Z_nf_hook_entry) + item(in, F_nf_hook_entry_hook);
        struct finding f;

        err = read_u64(in, at, &hook);
        if (err != 0 || is_text(in, hook) || (is_kernel_va(hook) && code_is_known(in, hook, 4)))
            continue;
        finding_start(&f, "netfilter.hook", INTROSPECT_ALARM, at, family);
        say(&f, "hook leads out of known code: ");
        say_hex(&f, hook);
        finding_add(in, &f);
    }
    return err;
}

int check_netfilter(struct introspect *in)
{
    static const struct {
        enum item hooks;
        const char *name;
    } families[] = {{F_netns_nf_hooks_ipv4, "IPv4 hooks"}, {F_netns_nf_hooks_ipv6, "IPv6 hooks"}};
    uint64_t nf = symbol(in, S_init_net) + item(in, F_net_nf), entries;

    for (size_t family = 0; family < sizeof(families) / sizeof(families[0]); family++) {
        for (uint32_t i = 0; i < HOOKS; i++) {
            int err =
                read_u64(in, nf + item(in, families[family].hooks) + 8 * (uint64_t)i, &entries);

            if (err == 0 && entries != 0)
                err = check_entries(in, entries, families[family].name);
            if (err != 0)
                return err;
        }
    }
    return 0;
}
