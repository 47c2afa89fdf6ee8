# SPDX-License-Identifier: Apache-2.0
"""Attacks from inside the kernel: modules of tests/attacks/modules, loaded in the lab."""

import re

from .technique import LAB, Technique, in_shell, module

TRACING = "/sys/kernel/tracing"
CONTROL = "/sys/kernel/debug/kapu-attack"


# ---- Hooks of memory that nobody owns -----------------------------------------------------------

def orphan(kind: str, name: str, expected: str, description: str) -> Technique:
    """The module never stays: what it leaves behind is taken away by loading it again."""
    def mount(bench):
        said = bench.shell.run(f"insmod /lab/orphan.ko kind={kind}", check=False)
        assert "canceled" in said, said
        log = bench.shell.run("dmesg | grep 'orphan at' | tail -n 1")
        bench.remains["orphan"] = re.search(r"orphan at (\d+)", log).group(1)

    def undo(bench):
        said = bench.shell.run(f"insmod /lab/orphan.ko kind={kind} undo={bench.remains['orphan']}",
                               check=False)
        assert "canceled" in said, said

    return Technique(name, "hooks", description, LAB, frozenset(expected.split()), mount, undo)


ORPHANS = (
    orphan("memory", "executable-memory-without-an-owner", "tables.exec",
           "A module leaves executable memory behind and goes."),
    orphan("netfilter", "packet-filter-hook-in-orphan-memory", "netfilter.hook tables.exec",
           "Every packet passes a function that belongs to no module any more."),
    orphan("notifier", "notifier-in-orphan-memory", "notifiers.call tables.exec",
           "A function that belongs to nobody is told when the gateway resets."),
    orphan("timer", "timer-in-orphan-memory", "timers.function tables.exec",
           "A kernel timer will call a function that belongs to nobody."),
    orphan("fine-timer", "high-resolution-timer-in-orphan-memory", "timers.hrtimer tables.exec",
           "A high-resolution timer will call a function that belongs to nobody."),
    orphan("work", "delayed-work-in-orphan-memory", "timers.work tables.exec",
           "Work that waits for its time is a function that belongs to nobody."),
    orphan("tracepoint", "tracepoint-probe-in-orphan-memory", "tracepoints.probe tables.exec",
           "A function that belongs to nobody is called when a process ends."),
    orphan("listing", "file-operations-in-orphan-memory", "operations.function tables.exec",
           "Listing a folder of /proc calls a function that belongs to nobody."),
)


# ---- Modules that hide --------------------------------------------------------------------------

def hidden(where: str, name: str, expected: str, description: str) -> Technique:
    def mount(bench):
        bench.shell.run(f"insmod /lab/hide.ko from={where} && echo > {CONTROL}")

    def undo(bench):
        bench.shell.run(f"echo > {CONTROL} && rmmod hide")

    return Technique(name, "modules", description, LAB, frozenset(expected.split()), mount, undo)


HIDDEN = (
    hidden("list", "module-hides-from-lsmod", "modules.hidden tables.exec",
           "A module takes itself out of the list of modules."),
    hidden("kset", "module-hides-from-sysfs", "modules.hidden modules.unknown",
           "A module takes itself out of /sys/module."),
    hidden("both", "module-hides-from-lsmod-and-sysfs", "modules.hidden tables.exec",
           "A module takes itself out of the list of modules and of /sys/module."),
    hidden("state", "module-hides-and-claims-to-go", "modules.hidden tables.exec",
           "A module takes itself out of both, in the state of one that is being unloaded."),
    hidden("all", "module-hides-everywhere", "tables.exec",
           "A module takes itself out of all structures: only its mapped code is left."),
)


# ---- Processes ----------------------------------------------------------------------------------

def hidden_process(where: str, expected: str, description: str) -> Technique:
    def mount(bench):
        bench.start_process("sleep 10000", "sleep")
        bench.shell.run(f"insmod /lab/hide_process.ko pid={bench.remains['pid']} from={where}")

    def undo(bench):
        bench.shell.run("rmmod hide_process")
        bench.end_process()

    name = {"list": "the-task-list", "pid": "proc", "children": "its-parent",
            "both": "the-task-list-and-proc", "all": "all-lists"}[where]
    return Technique(f"process-hides-from-{name}", "processes", description, LAB,
                     frozenset(expected.split()), mount, undo)


PROCESSES = (
    hidden_process("list", "processes.list", "A running rootkit unlinks a process from all tasks."),
    hidden_process("pid", "processes.pid",
                   "A running rootkit takes a process's number, so that /proc does not have it."),
    hidden_process("both", "processes.list processes.pid",
                   "A running rootkit takes a process out of all tasks and of /proc."),
    hidden_process("children", "processes.tree",
                   "A running rootkit takes a process from its parent."),
    hidden_process("all", "processes.list processes.pid processes.tree",
                   "A running rootkit takes a sleeping process out of all lists."),
)


def escalate(bench):
    bench.shell.run(f"insmod /lab/escalate.ko pid={bench.pid('tee-supplicant')}")


def inject(bench):
    pid = bench.pid("tee-supplicant")
    code = bench.shell.run(f"grep -m 1 'r-xp.*/tee-supplicant' /proc/{pid}/maps")
    start = re.search(r"^([0-9a-f]+)-", code, re.MULTILINE).group(1)
    bench.shell.run(f"insmod /lab/inject.ko pid={pid} at=0x{start}")


def change_page_cache(bench):
    bench.start_process("sleep 10000", "sleep")
    bench.shell.run("insmod /lab/page_cache.ko path=/usr/bin/sleep "
                    f"page={bench.executable_page('/usr/bin/sleep')}")


def restore_page_cache(bench):
    bench.shell.run("rmmod page_cache")
    bench.end_process()


ROWS = (
    module("inline-hook-by-a-module", "kernel code", "text.page modules.unknown", "inline_hook",
           "A module makes getuid() jump to itself: everybody is root."),
    module("system-call-entry-by-a-writable-alias", "kernel code",
           "syscalls.entry rodata.page tables.alias", "syscall_entry",
           "A module maps the read-only system call table a second time and replaces an entry."),
    module("ftrace-hook", "hooks", "text.ftrace modules.unknown", "ftrace_hook",
           "A module has the kernel's own tracer call it at each start of a program."),
    module("kprobe-hook", "hooks", "text.page code.kprobe modules.unknown",
           "kprobe_hook",
           "A module sets a breakpoint in kernel code, which calls it at each start of a program."),
    in_shell("traced-function", "hooks", "text.ftrace",
             f"echo vfs_statx > {TRACING}/set_ftrace_filter && "
             f"echo function > {TRACING}/current_tracer",
             f"echo nop > {TRACING}/current_tracer; echo > {TRACING}/set_ftrace_filter",
             "A function of the kernel is traced by means of files."),
    in_shell("kprobe-by-a-file", "hooks", "text.page code.kprobe",
             f"echo 'p:probe vfs_statx+0x20' > {TRACING}/kprobe_events && "
             f"echo 1 > {TRACING}/events/kprobes/probe/enable",
             f"echo 0 > {TRACING}/events/kprobes/probe/enable; echo > {TRACING}/kprobe_events",
             "A breakpoint in kernel code is set by means of files."),
    module("vector-base-is-replaced", "registers", "registers.vbar tables.exec",
           "registers which=vbar",
           "A core takes exceptions by vectors of the attacker's, which lead on to the true ones.", cores=2),
    module("kernel-page-tables-are-replaced", "registers", "registers.ttbr1 modules.unknown",
           "registers which=ttbr1",
           "A core uses a copy of the kernel's page tables.", cores=2),
    *ORPHANS, *HIDDEN, *PROCESSES,
    Technique("credentials-of-the-kernel", "credentials",
              "A service commits the kernel's first credentials, as after an exploit.", LAB,
              frozenset({"credentials.user", "credentials.capabilities"}), escalate,
              lambda bench: bench.shell.run("rmmod escalate")),
    Technique("code-injected-into-a-process", "code of programs",
              "A running service gets a page of its own with other instructions.", LAB,
              frozenset({"code.page"}), inject,
              lambda bench: bench.shell.run("rmmod inject")),
    Technique("page-cache-of-a-program", "code of programs",
              "A read-only, verified program is changed in the page cache while it runs.", LAB,
              frozenset({"cache.page", "code.page"}), change_page_cache, restore_page_cache),
)
