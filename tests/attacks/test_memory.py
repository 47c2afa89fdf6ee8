# SPDX-License-Identifier: Apache-2.0
"""Attacks on a running gateway's kernel and programs, done to its memory from outside.

Each attack is what a rootkit leaves behind. The gateway is stopped, changed, looked at with
`kapu inspect`, and changed back; a gateway that nobody changed has no finding, before and after.
"""

import re
import shutil
import struct
import time
import xml.etree.ElementTree as ElementTree

import pytest

from guest import PAGE, PTE_PXN, PTE_RDONLY, PTE_USER, PTE_UXN, PTE_WRITE, Guest, Kernel, inspect
from kapu.allow import executable_parts
from kapu.paths import BUILD
from watched import RAM_BASE, watched_instance

BOOT_SECONDS = 240
NOP = struct.pack("<I", 0xd503201f)
ABSENT = ("modules", "tracepoints")  # this kernel has none of it
RET = struct.pack("<I", 0xd65f03c0)


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """One gateway that came up and was stopped, and what kapu inspect says of it."""
    instance = watched_instance(tmp_path_factory.mktemp("memory") / "gw")
    machine = instance.machine
    machine.start(reboot=False)
    machine.wait_for("^KAPU-STATUS ok", BOOT_SECONDS)
    time.sleep(2)  # what the status program was started with ends
    machine.qmp("stop")
    status, report = inspect("gateway", instance.folder)
    assert (status, report["findings"]) == (0, [])
    guest = Guest(machine, Kernel("gateway"), report)
    guest.report, guest.folder = report, instance.folder
    yield guest
    machine.stop()
    shutil.rmtree(instance.folder)


def task_of(guest: Guest, name: str) -> int:
    return next(int(t["task"], 16) for t in guest.report["processes"] if t["name"] == name)


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


def free_entry(guest: Guest, near: int) -> int:
    """An address in the vmalloc area that an existing table leaves unmapped."""
    for va in range(near & -PAGE, (near & -PAGE) + 512 * PAGE, PAGE):
        entry, _, level = guest.entry(guest.root(), va)
        if level == 3 and not entry & 1:
            return va
    raise AssertionError


# ---- The attacks: each changes the guest --------------------------------------------------------

def text_is_patched(g):
    g.write(g.symbol("vfs_read") + 64, NOP)


def function_is_hooked_inline(g):
    at, to = g.symbol("__arm64_sys_getdents64"), g.symbol("__arm64_sys_sync")
    g.put_u32(at, 0x14000000 | (to - at) >> 2 & 0x3ffffff)


def vectors_are_patched(g):
    g.write(g.symbol("vectors") + 0x400, NOP)


def system_call_is_replaced(g):
    g.put_u64(g.symbol("sys_call_table") + 8 * 63, g.symbol("__arm64_sys_sync"))


def read_only_data_is_changed(g):
    g.write(g.symbol("linux_proc_banner"), b"%x")


def patch_site_holds_an_illegal_value(g):
    from kapu import patchsites
    image = g.kernel.image
    site = patchsites.alternatives(image)[100]
    g.write(image.base + g.slide + site.offset, RET)


def boot_time_constant_leads_elsewhere(g):
    from kapu import patchsites
    image = g.kernel.image
    site = next(s for s in patchsites.runtime_constants(image) if s.kind == patchsites.POINTER)
    at = image.base + g.slide + site.offset
    g.put_u32(at, g.u32(at) ^ 1 << 5)


def data_page_is_made_executable(g):
    g.change_entry(g.root(), g.symbol("init_task"), lambda e: e & ~PTE_PXN)


def text_is_made_writable(g):
    g.change_entry(g.root(), g.symbol("vfs_read"), lambda e: e & ~PTE_RDONLY | PTE_WRITE)


def text_has_a_second_writable_mapping(g):
    alias = free_entry(g, g.field(task_of(g, "kthreadd"), "task_struct", "stack"))
    target = g.text_pa + g.kernel.image.offset("vfs_read") & -PAGE
    entry = g.entry(g.root(), g.symbol("init_task"))[0]
    g.change_entry(g.root(), alias, lambda _: entry & ~0xfffffffff000 & ~(1 << 52) | target)


def executable_page_belongs_to_nobody(g):
    page = g.field(task_of(g, "kthreadd"), "task_struct", "stack")
    entry, _, _ = g.entry(g.root(), page)
    alias = free_entry(g, page)
    g.change_entry(g.root(), alias, lambda _: entry & ~PTE_PXN & ~PTE_WRITE | PTE_RDONLY)


def kernel_page_is_open_to_programs(g):
    g.change_entry(g.root(), g.field(task_of(g, "kthreadd"), "task_struct", "stack"),
                   lambda e: e | PTE_USER)


def system_call_table_is_remapped(g):
    """Address translation redirection: the true table stays, a changed copy is used."""
    table = g.symbol("sys_call_table") & -PAGE
    copy = g.physical(g.field(task_of(g, "kthreadd"), "task_struct", "stack"))
    g.write_pa(copy, g.read(table, PAGE))
    g.write_pa(copy + g.symbol("sys_call_table") % PAGE + 8 * 63,
               struct.pack("<Q", g.symbol("__arm64_sys_sync")))
    g.change_entry(g.root(), table, lambda e: e & ~0xfffffffff000 & ~(1 << 52) | copy)


def function_pointer_leads_out_of_text(g):
    g.put_u64(g.symbol("tcp_prot") + g.offset("proto", "recvmsg"), task_of(g, "systemd"))


def function_pointer_has_another_type(g):
    g.put_u64(g.symbol("tcp_prot") + g.offset("proto", "recvmsg"), g.symbol("__arm64_sys_sync"))


def packet_filter_hook_leads_out_of_text(g):
    hooks = g.symbol("init_net") + g.offset("net", "nf") + g.offset("netns_nf", "hooks_ipv4")
    entries = next(e for e in (g.u64(hooks + 8 * i) for i in range(5)) if e)
    g.put_u64(entries + g.offset("nf_hook_entries", "hooks") + g.offset("nf_hook_entry", "hook"),
              task_of(g, "systemd"))


def scratch(g) -> int:
    """Kernel memory that nobody looks at: the low end of a sleeping thread's stack."""
    return g.field(task_of(g, "kthreadd"), "task_struct", "stack") + 0x400


def notifier_leads_out_of_text(g):
    block = g.u64(g.symbol("netdev_chain") + g.offset("raw_notifier_head", "head"))
    g.put_u64(block + g.offset("notifier_block", "notifier_call"), scratch(g))


def notifier_of_another_type_is_added(g):
    head = g.symbol("reboot_notifier_list") + g.offset("blocking_notifier_head", "head")
    block = scratch(g)
    g.put_u64(block + g.offset("notifier_block", "notifier_call"), g.symbol("__arm64_sys_sync"))
    g.put_u64(block + g.offset("notifier_block", "next"), g.u64(head))
    g.put_u64(head, block)


def pending_timers(g) -> list[int]:
    """Timers in the wheels of all cores."""
    size, vectors = g.kernel.types.size("timer_base"), g.offset("timer_base", "vectors")
    count = g.kernel.types.elements("timer_base", "vectors")
    timers = []
    for bases in g.per_cpu("timer_bases"):
        for slot in range(3 * count):
            node = g.u64(bases + slot // count * size + vectors + 8 * (slot % count))
            while node:
                timers.append(node - g.offset("timer_list", "entry"))
                node = g.u64(node)
    return timers


def timer_leads_out_of_text(g):
    g.put_u64(pending_timers(g)[0] + g.offset("timer_list", "function"), scratch(g))


def timer_calls_a_function_of_another_type(g):
    g.put_u64(pending_timers(g)[-1] + g.offset("timer_list", "function"), g.symbol("vfs_read"))


def delayed_work_leads_out_of_text(g):
    timer = next(t for t in pending_timers(g)
                 if g.field(t, "timer_list", "function") == g.symbol("delayed_work_timer_fn"))
    work = timer - g.offset("delayed_work", "timer") + g.offset("delayed_work", "work")
    g.put_u64(work + g.offset("work_struct", "func"), scratch(g))


def high_resolution_timer_leads_out_of_text(g):
    size = g.kernel.types.size("hrtimer_clock_base")
    roots = (g.u64(base + g.offset("hrtimer_cpu_base", "clock_base") + i * size
                   + g.offset("hrtimer_clock_base", "active"))
             for base in g.per_cpu("hrtimer_bases") for i in range(8))
    timer = next(root for root in roots if root) - g.offset("hrtimer", "node")
    g.put_u64(timer + g.offset("hrtimer", "function"), scratch(g))


def worker_pool(g) -> int:
    """The first pool in the table of all of them."""
    entry = g.u64(g.symbol("worker_pool_idr") + g.offset("idr", "idr_rt")
                  + g.offset("xarray", "xa_head"))
    while entry & 3 == 2:
        entry = g.u64(entry - 2 + g.offset("xa_node", "slots"))
    return entry


def work_is_queued_that_leads_out_of_text(g):
    work = scratch(g)
    g.put_u64(work + g.offset("work_struct", "func"), work)
    g.link(worker_pool(g) + g.offset("worker_pool", "worklist"),
           work + g.offset("work_struct", "entry"))


def worker_runs_code_of_nobody(g):
    node = g.u64(worker_pool(g) + g.offset("worker_pool", "workers"))
    worker = node - g.offset("worker", "node")
    g.put_u64(worker + g.offset("worker", "current_func"), scratch(g))


def program_leaves_its_sandbox(g):
    g.put_u64(task_of(g, "tee-supplicant") + g.offset("task_struct", "nsproxy"),
              g.symbol("init_nsproxy"))


def program_has_a_network_of_its_own(g):
    """The networking service sees another network than the one that the gateway has."""
    proxy = g.field(task_of(g, "systemd-network"), "task_struct", "nsproxy")
    other = g.field(task_of(g, "tee-supplicant"), "task_struct", "nsproxy")
    g.put_u64(proxy + g.offset("nsproxy", "net_ns"), g.field(other, "nsproxy", "net_ns"))


def socket_is_connected_with_somebody(g):
    sock = socket_of(g)
    g.write(sock + g.offset("sock_common", "skc_daddr"), bytes((203, 0, 113, 9)))
    g.write(sock + g.offset("sock_common", "skc_dport"), struct.pack(">H", 4444))


def process_is_unlinked_from_the_task_list(g):
    g.unlink(task_of(g, "tee-supplicant") + g.offset("task_struct", "tasks"))


def process_is_unlinked_from_its_parent(g):
    g.unlink(task_of(g, "tee-supplicant") + g.offset("task_struct", "sibling"))


def process_has_no_number(g):
    pid = g.field(task_of(g, "tee-supplicant"), "task_struct", "thread_pid")
    g.put_u64(pid + g.offset("pid", "tasks"), 0)


def process_is_unlinked_everywhere_but_its_number(g):
    process_is_unlinked_from_the_task_list(g)
    process_is_unlinked_from_its_parent(g)


def sleeping_process_is_unlinked_everywhere(g):
    """No list, table or tree has it any more: only its memory is left, and somebody who wakes it."""
    process_is_unlinked_everywhere_but_its_number(g)
    process_has_no_number(g)


def task_list_is_cut(g):
    node = task_of(g, "systemd-udevd") + g.offset("task_struct", "tasks")
    g.put_u64(node, 0xdead000000000100)


def task_list_is_a_cycle(g):
    node = task_of(g, "tee-supplicant") + g.offset("task_struct", "tasks")
    g.put_u64(node, node)
    g.put_u64(node + 8, node)


def credentials_become_root(g):
    cred = cred_of(g, "tee-supplicant")
    for member in ("uid", "euid", "suid", "fsuid"):
        g.put_u32(cred + g.offset("cred", member), 0)


def capability_is_raised(g):
    g.put_u64(cred_of(g, "tee-supplicant") + g.offset("cred", "cap_effective"), 1 << 21)


def credentials_are_those_of_another_process(g):
    task, root = task_of(g, "tee-supplicant"), cred_of(g, "systemd")
    for member in ("cred", "real_cred"):
        g.put_u64(task + g.offset("task_struct", member), root)


def no_new_privs_is_cleared(g):
    g.put_u64(task_of(g, "tee-supplicant") + g.offset("task_struct", "atomic_flags"), 0)


def system_call_filter_is_cleared(g):
    g.put_u32(task_of(g, "systemd-network") + g.offset("task_struct", "seccomp")
              + g.offset("seccomp", "mode"), 0)


def program_is_another_than_it_says(g):
    mm = g.field(task_of(g, "tee-supplicant"), "task_struct", "mm")
    file = g.field(mm, "mm_struct", "exe_file")
    dentry = g.u64(file + g.offset("file", "f_path") + g.offset("path", "dentry"))
    g.write(g.u64(dentry + g.offset("dentry", "d_name") + g.offset("qstr", "name")), b"evil\0")


def shared_library_is_changed_in_the_page_cache(g):
    root = g.page_tables(task_of(g, "tee-supplicant"))
    entry = g.entry(root, code_of(g, "tee-supplicant", "libc.so"))[0]
    g.write_pa((entry & 0xfffffffff000) + 128, NOP)


def program_that_does_not_run_is_changed_in_the_page_cache(g):
    """As an unprivileged writer to the page cache does: the next who starts it runs other code."""
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
    task = task_of(g, "tee-supplicant")
    mm = g.field(task, "task_struct", "mm")
    stack = g.field(mm, "mm_struct", "start_stack") & -PAGE
    g.change_entry(g.page_tables(task), stack, lambda e: e & ~PTE_UXN)


def program_runs_injected_code(g):
    """A page of the program's mapping is replaced by an anonymous one with other code."""
    task = task_of(g, "tee-supplicant")
    mm = g.field(task, "task_struct", "mm")
    root = g.page_tables(task)
    donor = g.entry(root, g.field(mm, "mm_struct", "start_stack") & -PAGE)[0] & 0xfffffffff000
    g.change_entry(root, code_of(g, "tee-supplicant", "tee-supplicant"),
                   lambda e: e & ~0xfffffffff000 | donor)


def socket_listens_to_another_port(g):
    sock = socket_of(g)
    g.write(sock + g.offset("sock_common", "skc_num"), struct.pack("<H", 4444))


def socket_is_hidden_from_its_process(g):
    files = g.field(task_of(g, "systemd-network"), "task_struct", "files")
    table = g.field(files, "files_struct", "fdt")
    slots = g.field(table, "fdtable", "fd")
    for i in range(g.u32(table + g.offset("fdtable", "max_fds"))):
        file = g.u64(slots + 8 * i) & ~3
        if file and g.field(file, "file", "f_op") == g.symbol("socket_file_ops"):
            sock = g.field(g.field(file, "file", "private_data"), "socket", "sk")
            if sock == socket_of(g):
                g.put_u64(slots + 8 * i, 0)


def socket_of(g) -> int:
    """The DHCP client's socket, found in the kernel's table."""
    table = g.u64(g.symbol("udp_table") + g.offset("udp_table", "hash"))
    mask = g.u32(g.symbol("udp_table") + g.offset("udp_table", "mask"))
    size = g.kernel.types.size("udp_hslot")
    for i in range(mask + 1):
        node = g.u64(table + size * i)
        if node:
            sock = node - g.offset("sock_common", "skc_node")
            if g.read(sock + g.offset("sock_common", "skc_num"), 2) == struct.pack("<H", 68):
                return sock
    raise AssertionError


def lockdown_is_lowered(g):
    g.put_u32(g.symbol("kernel_locked_down"), 0)


def ptrace_is_allowed(g):
    g.put_u32(g.symbol("ptrace_scope"), 0)


def power_off_command_is_replaced(g):
    g.write(g.symbol("poweroff_cmd"), b"/var/evil\0")


def root_hash_is_replaced(g):
    g.put_u64(verity_of(g), 0)


def verity_of(g) -> int:
    """The root digest in the device mapper's first device."""
    node = g.u64(g.symbol("name_rb_tree"))
    device = g.field(node - g.offset("hash_cell", "name_node"), "hash_cell", "md")
    table = g.field(device, "mapped_device", "map")
    target = g.field(table, "dm_table", "targets")
    return g.field(g.field(target, "dm_target", "private"), "dm_verity", "root_digest")


def root_device_is_not_verified(g):
    node = g.u64(g.symbol("name_rb_tree"))
    device = g.field(node - g.offset("hash_cell", "name_node"), "hash_cell", "md")
    target = g.field(g.field(device, "mapped_device", "map"), "dm_table", "targets")
    g.put_u64(target + g.offset("dm_target", "type"), g.symbol("crypt_target"))


def security_hook_is_removed(g):
    """As if the module had never registered: its slot is switched off and leads to nothing."""
    g.put_u64(lsm_slot(g, "yama_ptrace_access_check") + g.offset("lsm_static_call", "hl"), 0)


def security_hook_leads_elsewhere(g):
    key = g.field(lsm_slot(g, "yama_ptrace_access_check"), "lsm_static_call", "key")
    g.put_u64(key + g.offset("static_call_key", "func"), g.symbol("__arm64_sys_sync"))


def lsm_slot(g, function: str) -> int:
    """The static call by which a security module's function is called."""
    table, size = g.symbol("static_calls_table"), g.kernel.types.size("lsm_static_call")
    for at in range(table, table + g.kernel.types.size("lsm_static_calls_table"), size):
        key = g.field(at, "lsm_static_call", "key")
        if g.field(key, "static_call_key", "func") == g.symbol(function):
            return at
    raise AssertionError


ATTACKS = (
    (text_is_patched, {"text.page"}),
    (function_is_hooked_inline, {"text.page"}),
    (vectors_are_patched, {"text.page"}),
    (system_call_is_replaced, {"syscalls.entry", "rodata.page"}),
    (read_only_data_is_changed, {"rodata.page"}),
    (patch_site_holds_an_illegal_value, {"text.site"}),
    (boot_time_constant_leads_elsewhere, {"text.site"}),
    (data_page_is_made_executable, {"tables.wx", "tables.exec"}),
    (text_is_made_writable, {"tables.wx", "tables.alias"}),
    (text_has_a_second_writable_mapping, {"tables.alias"}),
    (executable_page_belongs_to_nobody, {"tables.exec"}),
    (kernel_page_is_open_to_programs, {"tables.user"}),
    (system_call_table_is_remapped, {"tables.redirect", "syscalls.entry"}),
    (function_pointer_leads_out_of_text, {"pointers.foreign"}),
    (function_pointer_has_another_type, {"pointers.type"}),
    (packet_filter_hook_leads_out_of_text, {"netfilter.hook"}),
    (notifier_leads_out_of_text, {"notifiers.call"}),
    (notifier_of_another_type_is_added, {"notifiers.call"}),
    (timer_leads_out_of_text, {"timers.function"}),
    (timer_calls_a_function_of_another_type, {"timers.function"}),
    (delayed_work_leads_out_of_text, {"timers.work"}),
    (high_resolution_timer_leads_out_of_text, {"timers.hrtimer"}),
    (work_is_queued_that_leads_out_of_text, {"works.pending"}),
    (worker_runs_code_of_nobody, {"works.running"}),
    (security_hook_is_removed, {"lsm.missing"}),
    (security_hook_leads_elsewhere, {"lsm.hook"}),
    (process_is_unlinked_from_the_task_list, {"processes.list"}),
    (process_is_unlinked_from_its_parent, {"processes.tree"}),
    (process_has_no_number, {"processes.pid"}),
    (process_is_unlinked_everywhere_but_its_number, {"processes.list", "processes.tree"}),
    (sleeping_process_is_unlinked_everywhere,
     {"processes.list", "processes.tree", "processes.pid"}),
    (task_list_is_cut, {"processes.broken"}),
    (task_list_is_a_cycle, {"processes.broken"}),
    (credentials_become_root, {"credentials.user"}),
    (capability_is_raised, {"credentials.capabilities"}),
    (credentials_are_those_of_another_process, {"credentials.shared", "credentials.user"}),
    (no_new_privs_is_cleared, {"credentials.no_new_privs"}),
    (system_call_filter_is_cleared, {"credentials.seccomp"}),
    (program_is_another_than_it_says, {"credentials.program", "code.file"}),
    (shared_library_is_changed_in_the_page_cache, {"code.page", "cache.page"}),
    (program_that_does_not_run_is_changed_in_the_page_cache, {"cache.page"}),
    (stack_of_a_program_is_executable, {"code.writable", "code.page"}),
    (program_runs_injected_code, {"code.page"}),
    (program_leaves_its_sandbox, {"credentials.namespace"}),
    (program_has_a_network_of_its_own, {"credentials.namespace"}),
    (socket_is_connected_with_somebody, {"sockets.peer"}),
    (socket_listens_to_another_port, {"sockets.listen"}),
    (socket_is_hidden_from_its_process, {"sockets.hidden"}),
    (lockdown_is_lowered, {"state.lockdown"}),
    (ptrace_is_allowed, {"state.ptrace"}),
    (power_off_command_is_replaced, {"state.poweroff"}),
    (root_hash_is_replaced, {"state.verity"}),
    (root_device_is_not_verified, {"state.verity"}),
)


@pytest.mark.parametrize("attack, wanted", ATTACKS, ids=[a.__name__ for a, _ in ATTACKS])
def test_is_found(stopped, attack, wanted):
    attack(stopped)
    try:
        status, report = inspect("gateway", stopped.folder)
    finally:
        stopped.restore()
    found = {finding["id"] for finding in report["findings"]}
    assert status == 1 and wanted <= found


def picture_of(guest, tmp_path) -> str:
    status, report = inspect("gateway", guest.folder, "--picture", tmp_path / "memory.svg")
    text = (tmp_path / "memory.svg").read_text()
    assert len(text) < 1 << 20 and status == (1 if report["findings"] else 0)
    return text


def kind_at(picture: str, pa: int) -> list[str]:
    """Of which kinds the picture shows a page to be; one, in a picture that is right."""
    row, column = divmod((pa - RAM_BASE) // PAGE, 512)
    return [kind for kind, shapes in re.findall(r'<path class="(\w+)" d="([^"]*)"', picture)
            for x, y, width, height in (map(int, shape) for shape in re.findall(
                r"M(\d+) (\d+)h(\d+)v(\d+)h-\d+z", shapes))
            if x <= column < x + width and y <= row < y + height]


def marked_pages(picture: str) -> set[int]:
    ElementTree.fromstring(picture)  # it is XML
    return {RAM_BASE + int(page) * PAGE
            for page in re.findall(r'<g class="finding" data-page="(\d+)">', picture)}


def test_the_picture_shows_what_pages_are(stopped, tmp_path):
    g, picture = stopped, picture_of(stopped, tmp_path)
    task = task_of(g, "tee-supplicant")
    root = g.page_tables(task)
    stack = g.field(g.field(task, "task_struct", "mm"), "mm_struct", "start_stack") & -PAGE
    code = g.entry(root, code_of(g, "tee-supplicant", "libc.so"))[0] & 0xfffffffff000
    for pa, kind in ((g.physical(g.symbol("vfs_read")), "text"),
                     (g.physical(g.symbol("sys_call_table")), "rodata"),
                     (g.physical(g.symbol("init_task")), "data"), (g.root(), "table"),
                     (g.physical(task), "slab"), (root, "table"), (code, "code"),
                     (g.entry(root, stack)[0] & 0xfffffffff000, "anonymous")):
        assert kind_at(picture, pa) == [kind], hex(pa)
    assert marked_pages(picture) == set()


def test_the_picture_marks_findings(stopped, tmp_path):
    program = stopped.entry(stopped.page_tables(task_of(stopped, "tee-supplicant")),
                            code_of(stopped, "tee-supplicant", "libc.so"))[0] & 0xfffffffff000
    text_is_patched(stopped)
    shared_library_is_changed_in_the_page_cache(stopped)
    try:
        picture = picture_of(stopped, tmp_path)
    finally:
        stopped.restore()
    text = stopped.physical(stopped.symbol("vfs_read") + 64) & -PAGE
    assert marked_pages(picture) == {text, program}
    assert kind_at(picture, text) == ["text"] and kind_at(picture, program) == ["cache"]
    assert "text.page, kernel text" in picture


def test_nothing_is_found_when_all_attacks_are_taken_back(stopped):
    status, report = inspect("gateway", stopped.folder)
    assert (status, report["findings"]) == (0, [])
    assert not [c for c in report["checks"] if not c["done"] and c["id"] not in ABSENT]
