// SPDX-License-Identifier: Apache-2.0
/*
 * credentials.*: who each process is. Two processes never share a struct cred, a process has one
 * identity, and policy says as whom a program runs, with which capabilities and under which
 * restrictions.
 */
#include "internal.h"

#define RWSEM_WRITER 1u

static void found(struct introspect *in, const char *id, enum introspect_severity severity,
                  uint64_t task, const char *text, uint64_t value, bool passing)
{
    char label[48];
    struct finding f;

    task_label(in, task, label, sizeof(label));
    finding_start(&f, id, severity, task, label);
    f.passing = passing;
    say(&f, text);
    say_hex(&f, value);
    finding_add(in, &f);
}

static void wrong(struct introspect *in, const char *id, enum introspect_severity severity,
                  uint64_t task, const char *text, uint64_t value)
{
    found(in, id, severity, task, text, value, false);
}

/* Between two programs: it holds the lock from when it gets the new one's memory until it has also
 * the new one's credentials. */
static bool is_executing(struct introspect *in, uint64_t task)
{
    uint64_t signal, count = 0;

    return field_u64(in, task, F_task_struct_signal, &signal) == 0 &&
           read_u64(in,
                    signal + item(in, F_signal_struct_exec_update_lock) +
                        item(in, F_rw_semaphore_count),
                    &count) == 0 &&
           (count & RWSEM_WRITER) != 0;
}

static void against_policy(struct introspect *in, const char *id, const struct introspect_task *t,
                           const char *text, uint64_t value)
{
    found(in, id, INTROSPECT_ALARM, t->va, text, value, is_executing(in, t->va));
}

/* The set has for each struct cred the thread group that was first seen with it. */
static int check_sharing(struct introspect *in, uint64_t task, uint64_t cred, uint32_t tgid)
{
    uint64_t other = set_get(in, cred);

    if (other == 0)
        return set_or(in, cred, tgid + 1ull);
    if (other != tgid + 1ull)
        wrong(in, "credentials.shared", INTROSPECT_ALARM, task,
              "has the credentials of another process: ", cred);
    return 0;
}

static int check_policy(struct introspect *in, const struct introspect_task *t)
{
    const uint32_t ids[] = {t->euid, t->uid, t->suid, t->fsuid}; /* each of them can be taken */
    struct program p;

    if (!t->memory)
        return 0;
    if (allow_program(&in->allow, t->exe, &p) != 0) {
        char label[48];
        struct finding f;

        task_label(in, t->va, label, sizeof(label));
        finding_start(&f, "credentials.program", INTROSPECT_ALARM, t->va, label);
        say(&f, "runs a program that policy does not know: ");
        say(&f, t->exe[0] != '\0' ? t->exe : "no file");
        finding_add(in, &f);
        return 0;
    }
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        if (program_user(&in->allow, &p, ids[i]))
            continue;
        against_policy(in, "credentials.user", t, "runs as user ", ids[i]);
        break;
    }
    if (((t->caps | t->permitted) & ~p.caps) != 0)
        against_policy(in, "credentials.capabilities", t,
                       "has capabilities beyond policy: ", (t->caps | t->permitted) & ~p.caps);
    if ((p.flags & ALLOW_NO_NEW_PRIVS) != 0 && !t->no_new_privs)
        wrong(in, "credentials.no_new_privs", INTROSPECT_ALARM, t->va,
              "could gain privileges: no_new_privs is ", 0);
    if ((p.flags & ALLOW_SECCOMP) != 0 && t->seccomp == 0)
        wrong(in, "credentials.seccomp", INTROSPECT_ALARM, t->va,
              "has no system call filter: mode ", 0);
    return check_namespaces(in, t->va, &p);
}

static int check_task(struct introspect *in, uint64_t task, void *ctx)
{
    uint64_t cred, real, user_ns, mm;
    struct introspect_task t;
    uint32_t state;
    int err = field_u32(in, task, F_task_struct_exit_state, &state);

    (void)ctx;
    if (err == 0)
        err = field_u64(in, task, F_task_struct_cred, &cred);
    if (err == 0)
        err = field_u64(in, task, F_task_struct_real_cred, &real);
    if (err == 0)
        err = field_u64(in, task, F_task_struct_mm, &mm);
    if (err != 0 || (state != 0 && mm == 0)) /* it has ended: memory goes first */
        return err;
    err = task_read(in, task, &t);
    if (err == 0)
        err = field_u64(in, cred, F_cred_user_ns, &user_ns);
    if (err == KAPU_EABSENT)
        return 0; /* nothing can be said of it, but of the others */
    if (err != 0) {
        wrong(in, "credentials.wild", INTROSPECT_ALARM, task, "credentials cannot be read at ",
              cred);
        return 0;
    }
    if (cred != real)
        wrong(in, "credentials.split", INTROSPECT_WARNING, task,
              "acts with other credentials than its own: ", cred);
    if (t.kernel && (t.uid != 0 || t.euid != 0))
        wrong(in, "credentials.user", INTROSPECT_ALARM, task, "kernel thread runs as user ",
              t.euid);
    if (in->has_allow)
        err = check_policy(in, &t);
    if (err != 0)
        return err;
    return t.pid != 0 ? check_sharing(in, task, real, t.tgid) : 0;
}

bool credentials_persist(struct introspect *in, const struct finding *f)
{
    in->run = in->pending_n = in->lost = 0;
    set_clear(in);
    if (check_task(in, f->address, NULL) != 0)
        return false;
    for (uint32_t i = 0; i < in->pending_n; i++) {
        if (introspect_same(&in->pending[i], f))
            return true;
    }
    return false;
}

int check_credentials(struct introspect *in)
{
    set_clear(in);
    return task_walk(in, check_task, NULL);
}
