// SPDX-License-Identifier: Apache-2.0
/*
 * sockets.*: a socket in the kernel's tables belongs to a process that has it open; what a program
 * listens to, with whom it is connected, and whether it may have raw and packet sockets, is what
 * policy says of it.
 */
#include "internal.h"

#include <string.h>

#define FAMILY_IPV4 2u
#define FAMILY_IPV6 10u
#define FAMILY_PACKET 17u
#define TYPE_STREAM 1u
#define TYPE_DATAGRAM 2u
#define TYPE_RAW 3u
#define TCP_ESTABLISHED 1u
#define TCP_CLOSE 7u
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

/* Whom it is connected with; an IPv4 address may be written as one of IPv6. */
static bool peer_is_right(const struct introspect *in, const struct program *p,
                          const struct introspect_socket *s)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    bool six = s->family == FAMILY_IPV6;

    if (s->peer_port == 0 || (s->type != TYPE_STREAM && s->type != TYPE_DATAGRAM) ||
        (s->type == TYPE_STREAM && (s->state == TCP_LISTEN || s->state == TCP_CLOSE)))
        return true; /* with nobody */
    if (six && memcmp(s->peer, mapped, sizeof(mapped)) == 0)
        return program_peer(&in->allow, p, s->peer + sizeof(mapped), 4, s->peer_port);
    return program_peer(&in->allow, p, s->peer, six ? 16 : 4, s->peer_port);
}

static void say_peer(struct finding *f, const struct introspect_socket *s)
{
    bool six = s->family == FAMILY_IPV6;

    say(f, s->type == TYPE_STREAM ? "tcp " : "udp ");
    for (uint32_t i = 0; i < 4 && !six; i++) {
        say(f, i > 0 ? "." : "");
        say_dec(f, s->peer[i]);
    }
    for (uint32_t i = 0; i < 16 && six; i++) {
        static const char digits[] = "0123456789abcdef";
        char byte[3] = {digits[s->peer[i] >> 4], digits[s->peer[i] & 15], '\0'};

        say(f, i > 0 && i % 2 == 0 ? ":" : "");
        say(f, byte);
    }
    say(f, " port ");
    say_dec(f, s->peer_port);
}

static void wrong_peer(struct introspect *in, const struct introspect_socket *s, const char *object)
{
    struct finding f;

    finding_start(&f, "sockets.peer", INTROSPECT_ALARM, s->va, object);
    say(&f, "may not be connected with ");
    say_peer(&f, s);
    finding_add(in, &f);
}

static void say_kind(struct finding *f, const struct introspect_socket *s)
{
    say(f, "says of itself that it is another kind of socket: family ");
    say_dec(f, s->family);
    say(f, ", type ");
    say_dec(f, s->type);
}

/* What a socket is by the functions that serve it, which it cannot do without; not by what its own
 * fields say. */
static int check_kind(struct introspect *in, const struct introspect_socket *s, const char *object)
{
    static const struct {
        enum item served_by;
        uint16_t family, type; /* type 0: any */
    } kinds[] = {
        {S_tcp_prot, FAMILY_IPV4, TYPE_STREAM},     {S_udp_prot, FAMILY_IPV4, TYPE_DATAGRAM},
        {S_raw_prot, FAMILY_IPV4, TYPE_RAW},        {S_tcpv6_prot, FAMILY_IPV6, TYPE_STREAM},
        {S_udpv6_prot, FAMILY_IPV6, TYPE_DATAGRAM}, {S_rawv6_prot, FAMILY_IPV6, TYPE_RAW},
        {S_packet_proto, FAMILY_PACKET, 0},
    };
    uint64_t by;
    int err =
        read_u64(in, s->va + item(in, F_sock___sk_common) + item(in, F_sock_common_skc_prot), &by);

    for (size_t i = 0; err == 0 && i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        struct finding f;

        if (!has(in, kinds[i].served_by) || by != symbol(in, kinds[i].served_by) ||
            (s->family == kinds[i].family && (kinds[i].type == 0 || s->type == kinds[i].type)))
            continue;
        finding_start(&f, "sockets.disguised", INTROSPECT_ALARM, s->va, object);
        say_kind(&f, s);
        finding_add(in, &f);
    }
    return err;
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
    task_label(in, o->task, label, sizeof(label));
    if (err == 0)
        err = check_kind(in, &s, label);
    if (err != 0 || !in->has_allow || o->exe[0] == '\0')
        return err;
    if (allow_program(&in->allow, o->exe, &p) != 0)
        return 0; /* check "credentials" tells */
    if (s.family == FAMILY_PACKET ||
        ((s.family == FAMILY_IPV4 || s.family == FAMILY_IPV6) && s.type == TYPE_RAW)) {
        if ((p.flags & ALLOW_RAW) == 0)
            wrong(in, "sockets.raw", &s, label, "may not have the socket: ");
        return 0;
    }
    if (s.family != FAMILY_IPV4 && s.family != FAMILY_IPV6)
        return 0;
    if (!peer_is_right(in, &p, &s))
        wrong_peer(in, &s, label);
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

/* In the tables are sockets of the network only, so that none can say that it is of another kind.
 */
static void check_says(struct introspect *in, const struct introspect_socket *s)
{
    struct finding f;

    if (s->family == FAMILY_PACKET || ((s->family == FAMILY_IPV4 || s->family == FAMILY_IPV6) &&
                                       (s->type == TYPE_STREAM || s->type == TYPE_DATAGRAM)))
        return;
    finding_start(&f, "sockets.disguised", INTROSPECT_ALARM, s->va, "kernel tables");
    say_kind(&f, s);
    finding_add(in, &f);
}

static int check_listed(struct introspect *in, uint64_t sk, void *ctx)
{
    struct introspect_socket s;
    int err = socket_read(in, sk, &s);

    (void)ctx;
    if (err != 0)
        return err;
    check_says(in, &s);
    if (set_get(in, sk) == 0)
        wrong(in, "sockets.hidden", &s, "kernel tables", "no process has the socket open: ");
    return 0;
}

/* A connection that a process has not accepted yet has no file's socket; the kernel's own has one.
 */
static int check_connected(struct introspect *in, uint64_t sk, void *ctx)
{
    uint64_t sock;
    uint8_t state;
    int err =
        read_u8(in, sk + item(in, F_sock___sk_common) + item(in, F_sock_common_skc_state), &state);

    if (err != 0 || state != TCP_ESTABLISHED)
        return err; /* what it leaves in the table when it ends has no more fields than that */
    err = field_u64(in, sk, F_sock_sk_socket, &sock);
    return err != 0 || sock == 0 ? err : check_listed(in, sk, ctx);
}

int check_sockets(struct introspect *in)
{
    int err;

    set_clear(in);
    err = task_walk(in, check_process, NULL);
    if (err == 0)
        err = table_sockets(in, check_listed, NULL);
    return err != 0 ? err : connected_sockets(in, check_connected, NULL);
}
