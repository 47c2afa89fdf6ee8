// SPDX-License-Identifier: Apache-2.0
/*
 * credentials.namespace: a task is in the first namespace of each kind, or in one of its own, as
 * policy says of its program. A program that left its sandbox is in a first one.
 */
#include "internal.h"

#define KINDS ((1u << NAMESPACES) - 1)

static const char *const names[NAMESPACES] = {
    [NAMESPACE_MNT] = "mount",     [NAMESPACE_NET] = "network", [NAMESPACE_PID] = "process",
    [NAMESPACE_USER] = "user",     [NAMESPACE_UTS] = "name",    [NAMESPACE_IPC] = "message",
    [NAMESPACE_CGROUP] = "cgroup",
};

static void say_kinds(struct finding *f, const char *text, uint32_t kinds)
{
    say(f, kinds != 0 ? text : "");
    for (uint32_t kind = 0; kind < NAMESPACES; kind++) {
        say(f, (kinds >> kind & 1) != 0 ? " " : "");
        say(f, (kinds >> kind & 1) != 0 ? names[kind] : "");
    }
}

/* Those kinds that struct nsproxy knows; bits of the kinds in which the task has one of its own. */
static int read_proxy(struct introspect *in, uint64_t proxy, uint32_t *own)
{
    static const struct {
        enum allow_namespace kind;
        enum item field;
    } kinds[] = {
        {NAMESPACE_MNT, F_nsproxy_mnt_ns},       {NAMESPACE_NET, F_nsproxy_net_ns},
        {NAMESPACE_UTS, F_nsproxy_uts_ns},       {NAMESPACE_IPC, F_nsproxy_ipc_ns},
        {NAMESPACE_CGROUP, F_nsproxy_cgroup_ns},
    };
    uint64_t now, first;
    int err = 0;

    for (size_t i = 0; err == 0 && i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        err = field_u64(in, proxy, kinds[i].field, &now);
        if (err == 0)
            err = field_u64(in, symbol(in, S_init_nsproxy), kinds[i].field, &first);
        if (err == 0 && now != first)
            *own |= 1u << kinds[i].kind;
    }
    return err;
}

/* The others: of the process number, and of the credentials. */
static int read_others(struct introspect *in, uint64_t task, uint32_t *own)
{
    uint64_t pid, cred, user = 0;
    uint32_t level = 0;
    int err = field_u64(in, task, F_task_struct_thread_pid, &pid);

    if (err == 0)
        err = field_u32(in, pid, F_pid_level, &level);
    if (err == 0)
        err = field_u64(in, task, F_task_struct_cred, &cred);
    if (err == 0)
        err = field_u64(in, cred, F_cred_user_ns, &user);
    if (level != 0)
        *own |= 1u << NAMESPACE_PID;
    if (err == 0 && user != symbol(in, S_init_user_ns))
        *own |= 1u << NAMESPACE_USER;
    return err;
}

int check_namespaces(struct introspect *in, uint64_t task, const struct program *p)
{
    uint32_t own = 0, wrong, missing;
    char label[48];
    struct finding f;
    uint64_t proxy;
    int err = field_u64(in, task, F_task_struct_nsproxy, &proxy);

    if (err != 0 || proxy == 0)
        return err; /* it is ending, and has left them */
    err = read_proxy(in, proxy, &own);
    if (err == 0)
        err = read_others(in, task, &own);
    wrong = own & ~(p->flags / ALLOW_MAY_NAMESPACE(0) & KINDS);
    missing = ~own & p->flags / ALLOW_HAS_NAMESPACE(0) & KINDS;
    if (err != 0 || (wrong | missing) == 0)
        return err;
    task_label(in, task, label, sizeof(label));
    finding_start(&f, "credentials.namespace", INTROSPECT_ALARM, task, label);
    say_kinds(&f, "has namespaces of its own that policy does not say:", wrong);
    say(&f, wrong != 0 && missing != 0 ? "; " : "");
    say_kinds(&f, "is not in one of its own:", missing);
    finding_add(in, &f);
    return 0;
}
