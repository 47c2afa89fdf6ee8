# SPDX-License-Identifier: Apache-2.0
"""Attacks on sockets, settings and the verified root, done to memory from outside."""

import struct

from .kernel import task_of
from .technique import GATEWAY, outside

DHCP_CLIENT = struct.pack("<H", 68)
EROFS_MAGIC = 0xe0f5e1e2


def socket_of(g) -> int:
    """The DHCP client's socket, found in the kernel's table."""
    table = g.u64(g.symbol("udp_table") + g.offset("udp_table", "hash"))
    mask = g.u32(g.symbol("udp_table") + g.offset("udp_table", "mask"))
    size = g.kernel.types.size("udp_hslot")
    for i in range(mask + 1):
        node = g.u64(table + size * i)
        if node:
            sock = node - g.offset("sock_common", "skc_node")
            if g.read(sock + g.offset("sock_common", "skc_num"), 2) == DHCP_CLIENT:
                return sock
    raise AssertionError


def target_of(g) -> int:
    """What the device mapper's first device does."""
    node = g.u64(g.symbol("name_rb_tree"))
    device = g.field(node - g.offset("hash_cell", "name_node"), "hash_cell", "md")
    return g.field(g.field(device, "mapped_device", "map"), "dm_table", "targets")


def socket_listens_to_another_port(g):
    """A service listens to a port that policy does not give it"""
    g.write(socket_of(g) + g.offset("sock_common", "skc_num"), struct.pack("<H", 4444))


def socket_says_that_it_is_none_of_the_network(g):
    """A service's UDP socket says that it is of no kind that policy speaks of"""
    sock = socket_of(g)
    g.write(sock + g.offset("sock_common", "skc_family"), struct.pack("<H", 1))
    g.write(sock + g.offset("sock_common", "skc_num"), struct.pack("<H", 4444))


def socket_is_hidden_from_its_process(g):
    """A socket is among no process's open files"""
    files = g.field(task_of(g, "systemd-network"), "task_struct", "files")
    table = g.field(files, "files_struct", "fdt")
    slots = g.field(table, "fdtable", "fd")
    for i in range(g.u32(table + g.offset("fdtable", "max_fds"))):
        file = g.u64(slots + 8 * i) & ~3
        if file and g.field(file, "file", "f_op") == g.symbol("socket_file_ops"):
            sock = g.field(g.field(file, "file", "private_data"), "socket", "sk")
            if sock == socket_of(g):
                g.put_u64(slots + 8 * i, 0)


def socket_is_connected_with_somebody(g):
    """A service is connected with somebody whom policy does not know"""
    sock = socket_of(g)
    g.write(sock + g.offset("sock_common", "skc_daddr"), bytes((203, 0, 113, 9)))
    g.write(sock + g.offset("sock_common", "skc_dport"), struct.pack(">H", 4444))


def lockdown_is_lowered(g):
    """The kernel is not locked down any more"""
    g.put_u32(g.symbol("kernel_locked_down"), 0)


def ptrace_is_allowed(g):
    """Programs may look into each other"""
    g.put_u32(g.symbol("ptrace_scope"), 0)


def power_off_command_is_replaced(g):
    """The kernel would start another program to power off"""
    g.write(g.symbol("poweroff_cmd"), b"/var/evil\0")


def root_hash_is_replaced(g):
    """The root device is verified against another hash"""
    g.put_u64(g.field(g.field(target_of(g), "dm_target", "private"), "dm_verity", "root_digest"), 0)


def root_device_is_not_verified(g):
    """The root device is no dm-verity device any more"""
    g.put_u64(target_of(g) + g.offset("dm_target", "type"), g.symbol("crypt_target"))


def root_file_system_says_that_it_is_another(g):
    """Nobody finds the root file system in the kernel's list, to compare what it holds in memory"""
    head, member = g.symbol("super_blocks"), g.offset("super_block", "s_list")
    node = g.u64(head)
    while node != head:
        magic = node - member + g.offset("super_block", "s_magic")
        if g.u64(magic) == EROFS_MAGIC:
            g.put_u64(magic, 0)
        node = g.u64(node)


def kernel_says_that_it_has_one_core(g):
    """Who goes by the kernel's number of cores does not see timers and tasks of the others"""
    g.put_u32(g.symbol("nr_cpu_ids"), 1)


ROWS = (
    *outside("network", GATEWAY,
             (socket_listens_to_another_port, "sockets.listen"),
             (socket_is_connected_with_somebody, "sockets.peer"),
             (socket_says_that_it_is_none_of_the_network, "sockets.disguised"),
             (socket_is_hidden_from_its_process, "sockets.hidden")),
    *outside("settings", GATEWAY,
             (lockdown_is_lowered, "state.lockdown"),
             (ptrace_is_allowed, "state.ptrace"),
             (power_off_command_is_replaced, "state.poweroff"),
             (root_hash_is_replaced, "state.verity"),
             (root_device_is_not_verified, "state.verity"),
             (root_file_system_says_that_it_is_another, "cache.missing"),
             (kernel_says_that_it_has_one_core, "processes.broken report.broken")),
)
