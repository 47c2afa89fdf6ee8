// SPDX-License-Identifier: Apache-2.0
/*
 * pointers.foreign, pointers.type: every word of the kernel's writable data that was linked as a
 * pointer to a function still is one: null, or a function of the same type. The type is the number
 * that kCFI puts in front of each function.
 * pointers.handler: so do tables of handlers that are empty when linked, which Linux fills while it
 * boots.
 */
#include "internal.h"

#define SOFTIRQS 10u   /* NR_SOFTIRQS */
#define PROTOCOLS 256u /* MAX_INET_PROTOS */

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
        if ((place & POINTER_ANY_TYPE) != 0 || function_is_like(in, value, linked))
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

static int check_softirqs(struct introspect *in)
{
    uint64_t function;
    int err = 0;

    for (uint32_t i = 0; err == 0 && i < SOFTIRQS; i++) {
        uint64_t at = symbol(in, S_softirq_vec) + (uint64_t)i * item(in, Z_softirq_action);

        err = field_u64(in, at, F_softirq_action_action, &function);
        if (err == 0 && function != 0)
            callback_check(in, "pointers.handler", "software interrupt", at, function,
                           symbol(in, S_run_timer_softirq));
    }
    return err;
}

/* What receives the packets of each protocol above IP; IPv6 calls it alike. */
static int check_protocols(struct introspect *in, enum item table)
{
    uint64_t protocol, function;
    int err = 0;

    for (uint32_t i = 0; err == 0 && i < PROTOCOLS; i++) {
        err = read_u64(in, symbol(in, table) + 8ull * i, &protocol);
        if (err != 0 || protocol == 0)
            continue;
        err = field_u64(in, protocol, F_net_protocol_handler, &function);
        if (err == 0)
            callback_check(in, "pointers.handler", "network protocol", protocol, function,
                           symbol(in, S_tcp_v4_rcv));
    }
    return err;
}

int check_pointers(struct introspect *in)
{
    int err = 0;

    for (uint32_t n = 0; err == 0 && n < profile_count(&in->profile, SECTION_POINTERS); n++)
        err = check_pointer(in, n);
    if (err == 0)
        err = check_softirqs(in);
    if (err == 0)
        err = check_protocols(in, S_inet_protos);
    if (err == 0 && has(in, S_inet6_protos))
        err = check_protocols(in, S_inet6_protos);
    return err;
}
