# SPDX-License-Identifier: Apache-2.0
"""Attacks on what the kernel calls for files: tables of operations; done to memory from outside."""

from .callbacks import scratch
from .kernel import task_of
from .technique import GATEWAY, outside


def nodes(g, node: int):
    """A red-black tree in order."""
    if node:
        yield from nodes(g, g.field(node, "rb_node", "rb_left"))
        yield node
        yield from nodes(g, g.field(node, "rb_node", "rb_right"))


def proc_entry(g, folder: int, name: bytes) -> int:
    """An entry of a folder of /proc."""
    for node in nodes(g, g.field(folder, "proc_dir_entry", "subdir")):
        entry = node - g.offset("proc_dir_entry", "subdir_node")
        text = g.field(entry, "proc_dir_entry", "name")
        if g.read(text, len(name) + 1) == name + b"\0":
            return entry
    raise AssertionError(name)


def copied(g, pointer: int, structure: str) -> int:
    """Makes a pointer to a table lead to a copy of it, and says where that is."""
    copy = scratch(g)
    g.write(copy, g.read(g.u64(pointer), g.kernel.types.size(structure)))
    g.put_u64(pointer, copy)
    return copy


def connections_are_listed_by_another_table(g):
    """What /proc says of TCP connections is what a table in allocated memory makes of them"""
    net = g.field(g.symbol("init_net"), "net", "proc_net")
    entry = proc_entry(g, net, b"tcp")
    copied(g, entry + g.offset("proc_dir_entry", "seq_ops"), "seq_operations")


def entry_of_proc_has_other_file_operations(g):
    """An entry two folders deep in /proc is read by a table in allocated memory"""
    driver = proc_entry(g, g.symbol("proc_root"), b"irq")
    number = proc_entry(g, driver, b"1")
    entry = proc_entry(g, number, b"smp_affinity")
    copied(g, entry + g.offset("proc_dir_entry", "proc_ops"), "proc_ops")


def entry_of_proc_is_shown_by_a_function_of_another_type(g):
    """What /proc/version says comes from a function of the kernel that is of another type"""
    entry = proc_entry(g, g.symbol("proc_root"), b"version")
    g.put_u64(entry + g.offset("proc_dir_entry", "single_show"), g.symbol("vfs_read"))


def open_file_has_other_operations(g):
    """A file that a process has open is read by a table in allocated memory"""
    files = g.field(task_of(g, "systemd"), "task_struct", "files")
    slots = g.field(g.field(files, "files_struct", "fdt"), "fdtable", "fd")
    copied(g, (g.u64(slots) & ~3) + g.offset("file", "f_op"), "file_operations")


def open_file_has_operations_where_nothing_is_compared(g):
    """An open file is read by a table with foreign functions, among what Linux sets while it boots"""
    files = g.field(task_of(g, "systemd"), "task_struct", "files")
    slots = g.field(g.field(files, "files_struct", "fdt"), "fdtable", "fd")
    pointer = (g.u64(slots) & ~3) + g.offset("file", "f_op")
    table = g.symbol("idmap_pg_dir") + 0x800
    g.write(table, g.read(g.u64(pointer), g.kernel.types.size("file_operations")))
    g.put_u64(table + g.offset("file_operations", "read_iter"), scratch(g))
    g.put_u64(pointer, table)


ROWS = outside("hooks", GATEWAY,
               (connections_are_listed_by_another_table, "operations.function"),
               (entry_of_proc_has_other_file_operations, "operations.function"),
               (entry_of_proc_is_shown_by_a_function_of_another_type, "operations.function"),
               (open_file_has_other_operations, "operations.function"),
               (open_file_has_operations_where_nothing_is_compared, "operations.function"))
