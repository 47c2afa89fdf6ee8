# SPDX-License-Identifier: Apache-2.0
"""Attacks on the kernel's code, constants, page tables and hooks, done to memory from outside."""

import struct

from guest import PAGE, PTE_PXN, PTE_RDONLY, PTE_USER, PTE_WRITE, Guest
from kapu import patchsites

from .technique import GATEWAY, outside

NOP = struct.pack("<I", 0xd503201f)
RET = struct.pack("<I", 0xd65f03c0)


def task_of(guest: Guest, name: str) -> int:
    return next(int(t["task"], 16) for t in guest.report["processes"] if t["name"] == name)


def free_entry(guest: Guest, near: int) -> int:
    """An address in the vmalloc area that an existing table leaves unmapped."""
    for va in range(near & -PAGE, (near & -PAGE) + 512 * PAGE, PAGE):
        entry, _, level = guest.entry(guest.root(), va)
        if level == 3 and not entry & 1:
            return va
    raise AssertionError


# ---- Code and constants -------------------------------------------------------------------------

def text_is_patched(g):
    """One instruction of vfs_read() does nothing"""
    g.write(g.symbol("vfs_read") + 64, NOP)


def function_is_hooked_inline(g):
    """The system call that lists folders begins with a branch to another function"""
    at, to = g.symbol("__arm64_sys_getdents64"), g.symbol("__arm64_sys_sync")
    g.put_u32(at, 0x14000000 | (to - at) >> 2 & 0x3ffffff)


def vectors_are_patched(g):
    """The exception vector of system calls begins with another instruction"""
    g.write(g.symbol("vectors") + 0x400, NOP)


def system_call_is_replaced(g):
    """The system call table's entry of read() leads to sync()"""
    g.put_u64(g.symbol("sys_call_table") + 8 * 63, g.symbol("__arm64_sys_sync"))


def read_only_data_is_changed(g):
    """A constant text of the kernel is another"""
    g.write(g.symbol("linux_proc_banner"), b"%x")


def patch_site_holds_an_illegal_value(g):
    """A place that Linux patches while it boots holds an instruction that Linux never puts there"""
    image = g.kernel.image
    site = patchsites.alternatives(image)[100]
    g.write(image.base + g.slide + site.offset, RET)


def boot_time_constant_leads_elsewhere(g):
    """An address that Linux writes into its code while it boots is another"""
    image = g.kernel.image
    site = next(s for s in patchsites.runtime_constants(image) if s.kind == patchsites.POINTER)
    at = image.base + g.slide + site.offset
    g.put_u32(at, g.u32(at) ^ 1 << 5)


# ---- Page tables --------------------------------------------------------------------------------

def data_page_is_made_executable(g):
    """A page of the kernel's writable data may be executed"""
    g.change_entry(g.root(), g.symbol("init_task"), lambda e: e & ~PTE_PXN)


def text_is_made_writable(g):
    """A page of kernel code may be written"""
    g.change_entry(g.root(), g.symbol("vfs_read"), lambda e: e & ~PTE_RDONLY | PTE_WRITE)


def text_has_a_second_writable_mapping(g):
    """A page of kernel code is mapped a second time, writable"""
    alias = free_entry(g, g.field(task_of(g, "kthreadd"), "task_struct", "stack"))
    target = g.text_pa + g.kernel.image.offset("vfs_read") & -PAGE
    entry = g.entry(g.root(), g.symbol("init_task"))[0]
    g.change_entry(g.root(), alias, lambda _: entry & ~0xfffffffff000 & ~(1 << 52) | target)


def executable_page_belongs_to_nobody(g):
    """An executable page that belongs to no module, program of the kernel or probe"""
    page = g.field(task_of(g, "kthreadd"), "task_struct", "stack")
    entry, _, _ = g.entry(g.root(), page)
    alias = free_entry(g, page)
    g.change_entry(g.root(), alias, lambda _: entry & ~PTE_PXN & ~PTE_WRITE | PTE_RDONLY)


def kernel_page_is_open_to_programs(g):
    """Programs can reach a page of the kernel"""
    g.change_entry(g.root(), g.field(task_of(g, "kthreadd"), "task_struct", "stack"),
                   lambda e: e | PTE_USER)


def system_call_table_is_remapped(g):
    """Address translation is redirected: the true system call table stays, a changed copy is used"""
    table = g.symbol("sys_call_table") & -PAGE
    copy = g.physical(g.field(task_of(g, "kthreadd"), "task_struct", "stack"))
    g.write_pa(copy, g.read(table, PAGE))
    g.write_pa(copy + g.symbol("sys_call_table") % PAGE + 8 * 63,
               struct.pack("<Q", g.symbol("__arm64_sys_sync")))
    g.change_entry(g.root(), table, lambda e: e & ~0xfffffffff000 & ~(1 << 52) | copy)


def page_tables_are_in_flash_memory(g):
    """The kernel's page tables go on in memory that is no RAM, where nobody sees what they map"""
    g.write_pa(g.root() + 8 * 300, struct.pack("<Q", 0x04000000 | 3))


def reserved_page_tables_map_something(g):
    """The tables that Linux uses when nothing is to be mapped lead to those of the kernel"""
    empty = g.text_pa + g.kernel.image.offset("reserved_pg_dir")
    g.write_pa(empty + 8 * 256, g.read_pa(g.root() + 8 * 256, 8))


# ---- Function pointers --------------------------------------------------------------------------

def function_pointer_leads_out_of_text(g):
    """TCP's function for receiving leads to memory that is no code"""
    g.put_u64(g.symbol("tcp_prot") + g.offset("proto", "recvmsg"), task_of(g, "systemd"))


def function_pointer_has_another_type(g):
    """TCP's function for receiving leads to a function of the kernel that is of another type"""
    g.put_u64(g.symbol("tcp_prot") + g.offset("proto", "recvmsg"), g.symbol("__arm64_sys_sync"))


def software_interrupt_leads_out_of_text(g):
    """What runs when the timer's software interrupt does is memory that is no code"""
    action = g.symbol("softirq_vec") + g.kernel.types.size("softirq_action")
    g.put_u64(action, task_of(g, "systemd"))


def protocol_is_received_by_a_function_of_another_type(g):
    """Packets of TCP are received by a function of the kernel that is of another type"""
    tcp = g.u64(g.symbol("inet_protos") + 8 * 6)
    g.put_u64(tcp + g.offset("net_protocol", "handler"), g.symbol("__arm64_sys_sync"))


def packet_filter_hook_leads_out_of_text(g):
    """A packet filter hook leads to memory that is no code"""
    hooks = g.symbol("init_net") + g.offset("net", "nf") + g.offset("netns_nf", "hooks_ipv4")
    entries = next(e for e in (g.u64(hooks + 8 * i) for i in range(5)) if e)
    g.put_u64(entries + g.offset("nf_hook_entries", "hooks") + g.offset("nf_hook_entry", "hook"),
              task_of(g, "systemd"))


def security_hook_is_removed(g):
    """A hook of a security module is as if the module had never registered"""
    g.put_u64(lsm_slot(g, "yama_ptrace_access_check") + g.offset("lsm_static_call", "hl"), 0)


def security_hook_leads_elsewhere(g):
    """A hook of a security module leads to another function"""
    key = g.field(lsm_slot(g, "yama_ptrace_access_check"), "lsm_static_call", "key")
    g.put_u64(key + g.offset("static_call_key", "func"), g.symbol("__arm64_sys_sync"))


def spare_security_hook_is_switched_on(g):
    """A place for a security module that is not there calls a function"""
    slot = lsm_slot(g, "yama_ptrace_access_check")
    while g.field(slot, "lsm_static_call", "hl"):
        slot += g.kernel.types.size("lsm_static_call")
    key, active = (g.field(slot, "lsm_static_call", m) for m in ("key", "active"))
    g.put_u64(key + g.offset("static_call_key", "func"), task_of(g, "systemd"))
    g.put_u32(active + g.offset("static_key", "enabled"), 1)


def lsm_slot(g, function: str) -> int:
    """The static call by which a security module's function is called."""
    table, size = g.symbol("static_calls_table"), g.kernel.types.size("lsm_static_call")
    for at in range(table, table + g.kernel.types.size("lsm_static_calls_table"), size):
        key = g.field(at, "lsm_static_call", "key")
        if g.field(key, "static_call_key", "func") == g.symbol(function):
            return at
    raise AssertionError


ROWS = (
    *outside("kernel code", GATEWAY,
             (text_is_patched, "text.page"),
             (function_is_hooked_inline, "text.page"),
             (vectors_are_patched, "text.page"),
             (system_call_is_replaced, "syscalls.entry rodata.page"),
             (read_only_data_is_changed, "rodata.page"),
             (patch_site_holds_an_illegal_value, "text.site"),
             (boot_time_constant_leads_elsewhere, "text.site")),
    *outside("page tables", GATEWAY,
             (data_page_is_made_executable, "tables.wx tables.exec"),
             (text_is_made_writable, "tables.wx tables.alias"),
             (text_has_a_second_writable_mapping, "tables.alias"),
             (executable_page_belongs_to_nobody, "tables.exec"),
             (kernel_page_is_open_to_programs, "tables.user"),
             (page_tables_are_in_flash_memory, "report.broken"),
             (reserved_page_tables_map_something, "tables.reserved"),
             (system_call_table_is_remapped, "tables.redirect syscalls.entry")),
    *outside("hooks", GATEWAY,
             (function_pointer_leads_out_of_text, "pointers.foreign"),
             (function_pointer_has_another_type, "pointers.type"),
             (software_interrupt_leads_out_of_text, "pointers.handler"),
             (protocol_is_received_by_a_function_of_another_type, "pointers.handler"),
             (packet_filter_hook_leads_out_of_text, "netfilter.hook"),
             (security_hook_is_removed, "lsm.missing"),
             (security_hook_leads_elsewhere, "lsm.hook"),
             (spare_security_hook_is_switched_on, "lsm.hook")),
)
