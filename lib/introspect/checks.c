// SPDX-License-Identifier: Apache-2.0
/* The table of checks: a new check is a file and a line here (docs/writing-a-check.md). */
#include "internal.h"

static const struct introspect_check checks[] = {
    {"text", "kernel code and constants", "image pages, patch sites", check_text},
    {"registers", "system registers", "VBAR, TTBR1, TCR, SCTLR, MAIR", check_registers},
    {"tables", "kernel page tables", "TTBR1 tables", check_tables},
    {"syscalls", "system call table", "sys_call_table", check_syscalls},
    {"pointers", "function pointers in data", ".data", check_pointers},
    {"netfilter", "packet filter hooks", "init_net.nf", check_netfilter},
    {"notifiers", "who is told of events", "notifier chains", check_notifiers},
    {"timers", "what runs when a time has come", "timer wheels, hrtimers", check_timers},
    {"works", "work that waits and runs", "work queues, workers", check_works},
    {"tracepoints", "probes at tracepoints", "tracepoints", check_tracepoints},
    {"lsm", "hooks of security modules", "static calls of the LSM framework", check_lsm},
    {"modules", "modules", "module list, sysfs, code tree", check_modules},
    {"processes", "tasks in all views", "task list, pids, tree, run queues, slabs",
     check_processes},
    {"credentials", "identities and privileges", "struct cred of each task", check_credentials},
    {"io_uring", "work without system calls", "io_uring of each task", check_io_uring},
    {"code", "executable memory of processes", "page tables and mappings", check_code},
    {"cache", "page cache of the root image", "inodes and folios of the root", check_cache},
    {"operations", "what is called for files", "/proc, inodes, open files", check_operations},
    {"sockets", "sockets", "open files, TCP, UDP and packet tables", check_sockets},
    {"state", "settings and verified root", "variables, device mapper", check_state},
};

size_t introspect_checks(const struct introspect_check **table)
{
    *table = checks;
    return sizeof(checks) / sizeof(checks[0]);
}
