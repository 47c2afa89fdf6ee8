// SPDX-License-Identifier: Apache-2.0
/*
 * sockets.*: a socket in the kernel's tables belongs to a process that has it open; what a program
 * listens to, and whether it may have raw and packet sockets, is what policy says of it.
 */
#include "internal.h"

#define FAMILY_IPV4 2u
#define FAMILY_IPV6 10u
#define FAMILY_PACKET 17u
#define TYPE_STREAM 1u
#define TYPE_DATAGRAM 2u
#define TYPE_RAW 3u
#define TCP_LISTEN 10u
#define PROTOCOL_TCP 6u
#define PROTOCOL_UDP 17u

struct owner {
    uint64_t task;
    char exe[128];
};

static void wrong(struct introspect *in, const char *id, const struct introspect_socket *s,
                  const char *object, const char *text)
{
    struct finding f;

    finding_start(&f, id, INTROSPECT_ALARM, s->va, object);
    say(&f, text);
    say(&f, s->family == FAMILY_PACKET ? "packet"
            : s->type == TYPE_STREAM   ? "tcp "
            : s->type == TYPE_DATAGRAM ? "udp "
                                       : "raw ");
    if (s->family != FAMILY_PACKET)
        say_dec(&f, s->type == TYPE_RAW ? s->protocol : s->port);
    finding_add(in, &f);
}

static int check_owned(struct introspect *in, uint64_t sk, void *ctx)
{
    const struct owner *o = ctx;
    struct introspect_socket s;
    struct program p = {0};
    char label[48];
    int err = set_or(in, sk, 1);

    if (err == 0)
        err = socket_read(in, sk, &s);
    if (err != 0 || !in->has_allow || o->exe[0] == '\0')
        return err;
    if (allow_program(&in->allow, o->exe, &p) != 0)
        return 0; /* check "credentials" tells */
    task_label(in, o->task, label, sizeof(label));
    if (s.family == FAMILY_PACKET ||
        ((s.family == FAMILY_IPV4 || s.family == FAMILY_IPV6) && s.type == TYPE_RAW)) {
        if ((p.flags & ALLOW_RAW) == 0)
            wrong(in, "sockets.raw", &s, label, "may not have the socket: ");
        return 0;
    }
    if (s.family != FAMILY_IPV4 && s.family != FAMILY_IPV6)
        return 0;
    if (s.type == TYPE_STREAM && s.state == TCP_LISTEN &&
        !program_port(&in->allow, &p, PROTOCOL_TCP, s.port))
        wrong(in, "sockets.listen", &s, label, "may not listen to ");
    if (s.type == TYPE_DATAGRAM && s.port != 0 && s.peer_port == 0 &&
        !program_port(&in->allow, &p, PROTOCOL_UDP, s.port))
        wrong(in, "sockets.listen", &s, label, "may not listen to ");
    return 0;
}

static int check_process(struct introspect *in, uint64_t task, void *ctx)
{
    struct owner o = {.task = task};
    struct introspect_task t;
    int err = task_read(in, task, &t);

    (void)ctx;
    if (err != 0)
        return err;
    text_append(o.exe, sizeof(o.exe), t.exe);
    return process_sockets(in, task, check_owned, &o);
}

static int check_listed(struct introspect *in, uint64_t sk, void *ctx)
{
    struct introspect_socket s;
    int err = 0;

    (void)ctx;
    if (set_get(in, sk) == 0) {
        err = socket_read(in, sk, &s);
        if (err == 0)
            wrong(in, "sockets.hidden", &s, "kernel tables", "no process has the socket open: ");
    }
    return err;
}

int check_sockets(struct introspect *in)
{
    int err;

    set_clear(in);
    err = process_walk(in, check_process, NULL);
    return err != 0 ? err : table_sockets(in, check_listed, NULL);
}
