# SPDX-License-Identifier: Apache-2.0
"""Attacks on processes, their credentials and their code, done to memory from outside."""

import struct

from guest import PAGE, PTE_PXN, PTE_UXN, Guest
from kapu.allow import executable_parts
from kapu.paths import BUILD
from watched import RAM_BASE

from .kernel import NOP, task_of
from .technique import GATEWAY, outside

PTE_ADDRESS = 0xfffffffff000
TABLE_PXN = 1 << 59
PF_KTHREAD = 0x00200000
EXIT_DEAD = 16
FLASH = 0x04000000  # the second flash device of qemu-virt, which Linux may write


def cred_of(guest: Guest, name: str) -> int:
    return guest.field(task_of(guest, name), "task_struct", "cred")


def code_of(guest: Guest, name: str, file: str) -> int:
    """First resident page of a file's code in a process."""
    root = guest.page_tables(task_of(guest, name))
    part = next(c for c in guest.report["code"] if c["name"] == name and file in c["file"])
    for va in range(int(part["start"], 16), int(part["end"], 16), PAGE):
        if guest.entry(root, va)[0] & 1:
            return va
    raise AssertionError


# ---- Processes ----------------------------------------------------------------------------------

def process_is_unlinked_from_the_task_list(g):
    """A process is missing in the list of tasks"""
    g.unlink(task_of(g, "tee-supplicant") + g.offset("task_struct", "tasks"))


def process_is_unlinked_from_its_parent(g):
    """A process is missing among its parent's children"""
    g.unlink(task_of(g, "tee-supplicant") + g.offset("task_struct", "sibling"))


def process_has_no_number(g):
    """A process is missing in the table of process numbers, thus in /proc"""
    pid = g.field(task_of(g, "tee-supplicant"), "task_struct", "thread_pid")
    g.put_u64(pid + g.offset("pid", "tasks"), 0)


def process_is_unlinked_everywhere_but_its_number(g):
    """A process is missing in the list of tasks and among its parent's children"""
    process_is_unlinked_from_the_task_list(g)
    process_is_unlinked_from_its_parent(g)


def sleeping_process_is_unlinked_everywhere(g):
    """A process that sleeps is in no list, table or tree: only its memory is left"""
    process_is_unlinked_everywhere_but_its_number(g)
    process_has_no_number(g)


def task_list_is_cut(g):
    """The list of tasks leads out of memory, so that who follows it sees the first tasks only"""
    node = task_of(g, "systemd-udevd") + g.offset("task_struct", "tasks")
    g.put_u64(node, 0xdead000000000100)


def task_list_is_a_cycle(g):
    """The list of tasks leads in a circle, so that who follows it never ends"""
    node = task_of(g, "tee-supplicant") + g.offset("task_struct", "tasks")
    g.put_u64(node, node)
    g.put_u64(node + 8, node)


def hidden_process_says_that_it_has_ended(g):
    """A process that sleeps is in no list, table or tree, and its state is that of one that ended"""
    sleeping_process_is_unlinked_everywhere(g)
    g.put_u32(task_of(g, "tee-supplicant") + g.offset("task_struct", "exit_state"), EXIT_DEAD)


def hidden_process_has_the_number_of_idle_tasks(g):
    """A process that sleeps is in no list, table or tree, and its number is that of idle tasks"""
    sleeping_process_is_unlinked_everywhere(g)
    g.put_u32(task_of(g, "tee-supplicant") + g.offset("task_struct", "pid"), 0)


# ---- Credentials --------------------------------------------------------------------------------

def credentials_become_root(g):
    """A service's credentials are overwritten: it runs as root"""
    cred = cred_of(g, "tee-supplicant")
    for member in ("uid", "euid", "suid", "fsuid"):
        g.put_u32(cred + g.offset("cred", member), 0)


def files_are_opened_as_root(g):
    """A service is root for the file system only"""
    g.put_u32(cred_of(g, "tee-supplicant") + g.offset("cred", "fsuid"), 0)


def capability_waits_to_be_raised(g):
    """A service may give itself a capability that policy does not give it"""
    g.put_u64(cred_of(g, "tee-supplicant") + g.offset("cred", "cap_permitted"), 1 << 21)


def capability_is_raised(g):
    """A service has a capability that policy does not give it"""
    g.put_u64(cred_of(g, "tee-supplicant") + g.offset("cred", "cap_effective"), 1 << 21)


def credentials_are_those_of_another_process(g):
    """A service points to the credentials of another process"""
    task, root = task_of(g, "tee-supplicant"), cred_of(g, "systemd")
    for member in ("cred", "real_cred"):
        g.put_u64(task + g.offset("task_struct", member), root)


def process_with_a_capability_says_that_it_is_a_kernel_thread(g):
    """A service has a capability too many, and is marked as a kernel thread, which may have all"""
    capability_is_raised(g)
    at = task_of(g, "tee-supplicant") + g.offset("task_struct", "flags")
    g.put_u32(at, g.u32(at) | PF_KTHREAD)


def process_shows_no_program(g):
    """A process has no file that it runs, so that policy has no name to look for"""
    g.put_u64(g.field(task_of(g, "tee-supplicant"), "task_struct", "mm")
              + g.offset("mm_struct", "exe_file"), 0)


def no_new_privs_is_cleared(g):
    """A service could gain privileges by what it starts"""
    g.put_u64(task_of(g, "tee-supplicant") + g.offset("task_struct", "atomic_flags"), 0)


def system_call_filter_is_cleared(g):
    """A service has no system call filter any more"""
    g.put_u32(task_of(g, "systemd-network") + g.offset("task_struct", "seccomp")
              + g.offset("seccomp", "mode"), 0)


def system_call_filter_is_not_asked(g):
    """A service has its system call filter, and not the flag by which the kernel knows of it"""
    flags = task_of(g, "systemd-network") + g.offset("thread_info", "flags")
    g.put_u64(flags, g.u64(flags) & ~(1 << 11))


def service_leaves_its_sandbox(g):
    """A service sees the file systems, processes and network of the whole gateway"""
    g.put_u64(task_of(g, "tee-supplicant") + g.offset("task_struct", "nsproxy"),
              g.symbol("init_nsproxy"))


def service_has_a_network_of_its_own(g):
    """The networking service sees another network than the one that the gateway has"""
    proxy = g.field(task_of(g, "systemd-network"), "task_struct", "nsproxy")
    other = g.field(task_of(g, "tee-supplicant"), "task_struct", "nsproxy")
    g.put_u64(proxy + g.offset("nsproxy", "net_ns"), g.field(other, "nsproxy", "net_ns"))


def program_is_another_than_it_says(g):
    """A process's program is a file that policy does not know"""
    mm = g.field(task_of(g, "tee-supplicant"), "task_struct", "mm")
    file = g.field(mm, "mm_struct", "exe_file")
    dentry = g.u64(file + g.offset("file", "f_path") + g.offset("path", "dentry"))
    g.write(g.u64(dentry + g.offset("dentry", "d_name") + g.offset("qstr", "name")), b"evil\0")


# ---- Code ---------------------------------------------------------------------------------------

def shared_library_is_changed_in_the_page_cache(g):
    """Code of the C library is changed in memory, for all who use it"""
    root = g.page_tables(task_of(g, "tee-supplicant"))
    entry = g.entry(root, code_of(g, "tee-supplicant", "libc.so"))[0]
    g.write_pa((entry & PTE_ADDRESS) + 128, NOP)


def program_that_does_not_run_is_changed_in_the_page_cache(g):
    """Code of a program that nobody runs is changed in memory: the next who starts it runs it"""
    program = (BUILD / "gateway/root-tree/usr/bin/kapu-status").read_bytes()
    first, count = executable_parts(program)[0]
    for page in range(first, first + count):
        content = program[page * PAGE:(page + 1) * PAGE].ljust(PAGE, b"\0")
        at = g.ram.find(content)
        while at >= 0:
            if at % PAGE == 0:
                g.write_pa(RAM_BASE + at + 16, NOP)
            at = g.ram.find(content, at + PAGE)
    assert g.undo


def stack_of_a_program_is_executable(g):
    """A service's stack may be executed"""
    task = task_of(g, "tee-supplicant")
    mm = g.field(task, "task_struct", "mm")
    stack = g.field(mm, "mm_struct", "start_stack") & -PAGE
    g.change_entry(g.page_tables(task), stack, lambda e: e & ~PTE_UXN)


def program_runs_injected_code(g):
    """A page of a program's mapping is replaced by an anonymous one with other code"""
    task = task_of(g, "tee-supplicant")
    mm = g.field(task, "task_struct", "mm")
    root = g.page_tables(task)
    donor = g.entry(root, g.field(mm, "mm_struct", "start_stack") & -PAGE)[0] & PTE_ADDRESS
    g.change_entry(root, code_of(g, "tee-supplicant", "tee-supplicant"),
                   lambda e: e & ~PTE_ADDRESS | donor)


def stack_of(g, name: str) -> tuple[int, int]:
    """Page tables of a process, and an address in its stack."""
    task = task_of(g, name)
    mm = g.field(task, "task_struct", "mm")
    return g.page_tables(task), g.field(mm, "mm_struct", "start_stack") & -PAGE


def process_shows_no_memory(g):
    """A process's memory is not in its task, so that who looks from there sees no code"""
    g.put_u64(task_of(g, "tee-supplicant") + g.offset("task_struct", "mm"), 0)


def page_of_a_program_can_run_in_the_kernel(g):
    """The kernel may execute a service's stack, the service itself may not"""
    table, stack = stack_of(g, "tee-supplicant")
    g.change_entry(table, stack, lambda e: e & ~PTE_PXN)
    for shift in (39, 30, 21):  # nor do the tables above forbid it
        at = table + 8 * (stack >> shift & 511)
        entry, = struct.unpack("<Q", g.read_pa(at, 8))
        g.write_pa(at, struct.pack("<Q", entry & ~TABLE_PXN))
        table = entry & PTE_ADDRESS


def program_can_write_kernel_code(g):
    """A page of a service's stack is replaced by one of kernel code"""
    code = g.text_pa + g.kernel.image.offset("vfs_read") & -PAGE
    g.change_entry(*stack_of(g, "tee-supplicant"), lambda e: e & ~PTE_ADDRESS | code)


def page_tables_of_a_program_are_in_flash_memory(g):
    """A process's page tables go on in memory that is no RAM, where nobody sees what they map"""
    root = g.page_tables(task_of(g, "tee-supplicant"))
    g.write_pa(root + 8 * 100, struct.pack("<Q", FLASH | 3))


ROWS = (
    *outside("processes", GATEWAY,
             (process_is_unlinked_from_the_task_list, "processes.list"),
             (process_is_unlinked_from_its_parent, "processes.tree"),
             (process_has_no_number, "processes.pid"),
             (process_is_unlinked_everywhere_but_its_number, "processes.list processes.tree"),
             (sleeping_process_is_unlinked_everywhere,
              "processes.list processes.tree processes.pid"),
             (hidden_process_says_that_it_has_ended,
              "processes.list processes.tree processes.pid"),
             (hidden_process_has_the_number_of_idle_tasks,
              "processes.number processes.list processes.tree processes.pid"),
             (task_list_is_cut, "processes.broken"),
             (task_list_is_a_cycle, "processes.broken")),
    *outside("credentials", GATEWAY,
             (credentials_become_root, "credentials.user"),
             (files_are_opened_as_root, "credentials.user"),
             (capability_waits_to_be_raised, "credentials.capabilities"),
             (capability_is_raised, "credentials.capabilities"),
             (credentials_are_those_of_another_process, "credentials.shared credentials.user"),
             (process_with_a_capability_says_that_it_is_a_kernel_thread,
              "credentials.capabilities"),
             (process_shows_no_program, "credentials.program"),
             (no_new_privs_is_cleared, "credentials.no_new_privs"),
             (system_call_filter_is_cleared, "credentials.seccomp"),
             (system_call_filter_is_not_asked, "credentials.seccomp"),
             (service_leaves_its_sandbox, "credentials.namespace"),
             (service_has_a_network_of_its_own, "credentials.namespace"),
             (program_is_another_than_it_says, "credentials.program code.file")),
    *outside("code of programs", GATEWAY,
             (shared_library_is_changed_in_the_page_cache, "code.page cache.page"),
             (program_that_does_not_run_is_changed_in_the_page_cache, "cache.page"),
             (stack_of_a_program_is_executable, "code.writable code.page"),
             (program_runs_injected_code, "code.page"),
             (process_shows_no_memory, "code.hidden"),
             (page_of_a_program_can_run_in_the_kernel, "code.privileged"),
             (program_can_write_kernel_code, "code.kernel"),
             (page_tables_of_a_program_are_in_flash_memory, "code.wild")),
)
