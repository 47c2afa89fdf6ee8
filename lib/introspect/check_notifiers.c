// SPDX-License-Identifier: Apache-2.0
/*
 * notifiers.call: everybody who is told of events (a module is loaded, an interface comes up, the
 * machine panics or resets) is known code, of the type that such a function has.
 */
#include "internal.h"

#define BLOCKS_MAX 1024u

struct chain {
    enum item symbol, head; /* head: F_..._notifier_head_head */
    const char *name;
};

#define RAW(n) S_##n, F_raw_notifier_head_head, #n
#define ATOMIC(n) S_##n, F_atomic_notifier_head_head, #n
#define BLOCKING(n) S_##n, F_blocking_notifier_head_head, #n
#define SRCU(n) S_##n, F_srcu_notifier_head_head, #n

static const struct chain chains[] = {
    {RAW(netdev_chain)},
    {RAW(pvclock_gtod_chain)},
    {ATOMIC(die_chain)},
    {ATOMIC(inet6addr_chain)},
    {ATOMIC(netevent_notif_chain)},
    {ATOMIC(panic_notifier_list)},
    {ATOMIC(power_off_handler_list)},
    {ATOMIC(random_ready_notifier)},
    {ATOMIC(restart_handler_list)},
    {BLOCKING(blocking_lsm_notifier_chain)},
    {BLOCKING(crypto_chain)},
    {BLOCKING(inet6addr_validator_chain)},
    {BLOCKING(inetaddr_chain)},
    {BLOCKING(inetaddr_validator_chain)},
    {BLOCKING(module_notify_list)},
    {BLOCKING(netlink_chain)},
    {BLOCKING(oom_notify_list)},
    {BLOCKING(power_off_prep_handler_list)},
    {BLOCKING(power_supply_notifier)},
    {BLOCKING(reboot_notifier_list)},
    {BLOCKING(restart_prep_handler_list)},
    {BLOCKING(tracepoint_notify_list)},
    {BLOCKING(vmap_notify_list)},
    {SRCU(lease_notifier_chain)},
};

static int check_chain(struct introspect *in, uint64_t head, const char *name)
{
    uint64_t block, call;
    int err = read_u64(in, head, &block);

    for (uint32_t i = 0; err == 0 && block != 0; i++) {
        if (i == BLOCKS_MAX)
            return KAPU_EINVAL;
        err = field_u64(in, block, F_notifier_block_notifier_call, &call);
        if (err == 0)
            callback_check(in, "notifiers.call", name, block, call, symbol(in, S_rtnetlink_event));
        if (err == 0)
            err = field_u64(in, block, F_notifier_block_next, &block);
    }
    return err;
}

int check_notifiers(struct introspect *in)
{
    int err = 0;

    for (size_t i = 0; err == 0 && i < sizeof(chains) / sizeof(chains[0]); i++) {
        if (has(in, chains[i].symbol))
            err = check_chain(in, symbol(in, chains[i].symbol) + item(in, chains[i].head),
                              chains[i].name);
    }
    /* Interfaces of the first network namespace have a chain of their own. */
    return err != 0 ? err
                    : check_chain(in,
                                  symbol(in, S_init_net) + item(in, F_net_netdev_chain) +
                                      item(in, F_raw_notifier_head_head),
                                  "netdev_chain of init_net");
}
