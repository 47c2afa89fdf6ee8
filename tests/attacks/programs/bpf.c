// SPDX-License-Identifier: Apache-2.0
/*
 * An eBPF program that sees every packet of every process. bpf attach: attached to the root control
 * group, without a link; the program that did it ends, no process has anything open. bpf detach
 * takes it away. bpf link: held by a link that a process in the background has open.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/bpf.h>
#include <string.h>
#include <sys/syscall.h>

#include "attack.h"

static int bpf(int command, union bpf_attr *attributes)
{
    return (int)syscall(__NR_bpf, command, attributes, sizeof(*attributes));
}

static int load(void)
{
    struct bpf_insn let_pass[] = {
        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 1},
        {.code = BPF_JMP | BPF_EXIT},
    };
    union bpf_attr a = {0};

    a.prog_type = BPF_PROG_TYPE_CGROUP_SKB;
    a.expected_attach_type = BPF_CGROUP_INET_EGRESS;
    a.insns = (unsigned long)let_pass;
    a.insn_cnt = 2;
    a.license = (unsigned long)"GPL";
    return bpf(BPF_PROG_LOAD, &a);
}

int main(int argc, char **argv)
{
    int group = open("/sys/fs/cgroup", O_RDONLY | O_DIRECTORY), program, told;
    union bpf_attr a = {0};

    if (argc != 2 || strcmp(argv[1], "link") != 0)
        return 2;
    program = load();
    must(group >= 0 && program >= 0, "load");
    told = go_to_background();
    a.link_create.prog_fd = (unsigned)program;
    a.link_create.target_fd = (unsigned)group;
    a.link_create.attach_type = BPF_CGROUP_INET_EGRESS;
    must(bpf(BPF_LINK_CREATE, &a) >= 0, "link");
    stay(told);
}
