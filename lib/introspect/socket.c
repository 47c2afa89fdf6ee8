// SPDX-License-Identifier: Apache-2.0
/*
 * Sockets, from two sides: the files that processes have open, and the kernel's own tables of TCP,
 * UDP and packet sockets.
 */
#include "internal.h"

#include <string.h>

#define BUCKETS_MAX (1u << 20)
#define CHAIN_MAX 4096u
#define FAMILY_IPV4 2u
#define FAMILY_IPV6 10u

int socket_read(struct introspect *in, uint64_t sk, struct introspect_socket *s)
{
    uint64_t common = sk + item(in, F_sock___sk_common);
    uint8_t state = 0;
    uint16_t peer = 0;
    int err;

    *s = (struct introspect_socket){.va = sk};
    err = read_u16(in, common + item(in, F_sock_common_skc_family), &s->family);
    if (err == 0)
        err = read_u16(in, sk + item(in, F_sock_sk_type), &s->type);
    if (err == 0)
        err = read_u16(in, sk + item(in, F_sock_sk_protocol), &s->protocol);
    if (err == 0)
        err = read_u8(in, common + item(in, F_sock_common_skc_state), &state);
    s->state = state;
    if (err != 0 || (s->family != FAMILY_IPV4 && s->family != FAMILY_IPV6))
        return err;
    err = read_u16(in, common + item(in, F_sock_common_skc_num), &s->port);
    if (err == 0)
        err = read_u16(in, common + item(in, F_sock_common_skc_dport), &peer);
    s->peer_port = (uint16_t)(peer << 8 | peer >> 8); /* network order */
    if (err == 0 && s->family == FAMILY_IPV4)
        err = read_va(in, common + item(in, F_sock_common_skc_rcv_saddr), s->address, 4);
    if (err == 0 && s->family == FAMILY_IPV4)
        err = read_va(in, common + item(in, F_sock_common_skc_daddr), s->peer, 4);
    if (err == 0 && s->family == FAMILY_IPV6)
        err = read_va(in, common + item(in, F_sock_common_skc_v6_rcv_saddr), s->address, 16);
    if (err == 0 && s->family == FAMILY_IPV6)
        err = read_va(in, common + item(in, F_sock_common_skc_v6_daddr), s->peer, 16);
    return err;
}

struct sockets {
    node_fn fn;
    void *ctx;
};

static int file_socket(struct introspect *in, uint64_t file, void *ctx)
{
    const struct sockets *s = ctx;
    uint64_t ops, sock, sk = 0;
    int err = field_u64(in, file, F_file_f_op, &ops);

    if (err != 0 || ops != symbol(in, S_socket_file_ops))
        return err;
    err = field_u64(in, file, F_file_private_data, &sock);
    if (err == 0)
        err = field_u64(in, sock, F_socket_sk, &sk);
    return err != 0 || sk == 0 ? err : s->fn(in, sk, s->ctx);
}

/* Each socket that a process has open. */
int process_sockets(struct introspect *in, uint64_t task, node_fn fn, void *ctx)
{
    struct sockets s = {fn, ctx};

    return process_files(in, task, file_socket, &s);
}

struct chain {
    node_fn fn;
    void *ctx;
    uint64_t member; /* offset of the list node in struct sock */
};

static int chain_node(struct introspect *in, uint64_t node, void *ctx)
{
    const struct chain *c = ctx;

    return c->fn(in, node - c->member, c->ctx);
}

/* All chains of a hash table: n buckets of `step` bytes from `at`, head at `head` in each. */
static int walk_buckets(struct introspect *in, uint64_t at, uint32_t n, uint32_t step,
                        uint32_t head, bool nulls, struct chain *c)
{
    int err = 0;

    if (n > BUCKETS_MAX)
        return KAPU_EINVAL;
    for (uint32_t i = 0; err == 0 && i < n; i++)
        err = (nulls ? nulls_walk : hlist_walk)(in, at + (uint64_t)i * step + head, CHAIN_MAX,
                                                chain_node, c);
    return err;
}

int table_sockets(struct introspect *in, node_fn fn, void *ctx)
{
    uint64_t common = item(in, F_sock___sk_common), tcp = symbol(in, S_tcp_hashinfo),
             udp = symbol(in, S_udp_table), at = 0;
    struct chain c = {fn, ctx, common + item(in, F_sock_common_skc_nulls_node)};
    uint32_t mask = 0;
    int err = field_u64(in, tcp, F_inet_hashinfo_lhash2, &at);

    if (err == 0)
        err = field_u32(in, tcp, F_inet_hashinfo_lhash2_mask, &mask);
    if (err == 0 && at != 0)
        err = walk_buckets(in, at, mask + 1, item(in, Z_inet_listen_hashbucket),
                           item(in, F_inet_listen_hashbucket_nulls_head), true, &c);
    c.member = common + item(in, F_sock_common_skc_node);
    if (err == 0)
        err = field_u64(in, udp, F_udp_table_hash, &at);
    if (err == 0)
        err = field_u32(in, udp, F_udp_table_mask, &mask);
    if (err == 0 && at != 0)
        err = walk_buckets(in, at, mask + 1, item(in, Z_udp_hslot), item(in, F_udp_hslot_head),
                           false, &c);
    if (err == 0)
        err = hlist_walk(
            in, symbol(in, S_init_net) + item(in, F_net_packet) + item(in, F_netns_packet_sklist),
            CHAIN_MAX, chain_node, &c);
    return err;
}

int connected_sockets(struct introspect *in, node_fn fn, void *ctx)
{
    uint64_t tcp = symbol(in, S_tcp_hashinfo), at = 0;
    struct chain c = {fn, ctx,
                      item(in, F_sock___sk_common) + item(in, F_sock_common_skc_nulls_node)};
    uint32_t mask = 0;
    int err = field_u64(in, tcp, F_inet_hashinfo_ehash, &at);

    if (err == 0)
        err = field_u32(in, tcp, F_inet_hashinfo_ehash_mask, &mask);
    if (err != 0 || at == 0)
        return err;
    return walk_buckets(in, at, mask + 1, item(in, Z_inet_ehash_bucket),
                        item(in, F_inet_ehash_bucket_chain), true, &c);
}

struct listing {
    introspect_socket_fn fn;
    void *ctx;
    uint64_t task;
};

static int list_socket(struct introspect *in, uint64_t sk, void *ctx)
{
    const struct listing *l = ctx;
    struct introspect_socket s;
    int err = set_or(in, sk, 1);

    if (err == 0)
        err = socket_read(in, sk, &s);
    if (err != 0 || (s.family != FAMILY_IPV4 && s.family != FAMILY_IPV6 && s.family != 17))
        return err;
    if (field_u32(in, l->task, F_task_struct_pid, &s.pid) != 0 ||
        read_text(in, l->task + item(in, F_task_struct_comm), s.comm, sizeof(s.comm)) != 0)
        s.pid = 0;
    return l->fn(l->ctx, &s);
}

static int list_process(struct introspect *in, uint64_t task, void *ctx)
{
    ((struct listing *)ctx)->task = task;
    return process_sockets(in, task, list_socket, ctx);
}

static int list_orphan(struct introspect *in, uint64_t sk, void *ctx)
{
    const struct listing *l = ctx;
    struct introspect_socket s;
    int err = set_get(in, sk) != 0 ? 0 : socket_read(in, sk, &s);

    return err != 0 || set_get(in, sk) != 0 ? err : l->fn(l->ctx, &s);
}

int introspect_sockets(struct introspect *in, introspect_socket_fn fn, void *ctx)
{
    struct listing l = {fn, ctx, 0};
    int err;

    budget_start(in);
    set_clear(in);
    err = process_walk(in, list_process, &l);
    return err != 0 ? err : table_sockets(in, list_orphan, &l);
}
