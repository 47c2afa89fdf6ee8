# SPDX-License-Identifier: Apache-2.0
"""Attacks on what only the lab's kernel has, done to memory from outside.

The lab has the module `harmless` loaded, which these hide.
"""

from kapu import patchsites

from .technique import LAB, Technique, outside

EVENT = "/sys/kernel/tracing/events/sched/sched_process_exec/enable"


def harmless(g) -> int:
    return next(int(m["module"], 16) for m in g.report["modules"] if m["name"] == "harmless")


def module_is_unlinked_from_the_list(g):
    """A module is missing in the list of modules"""
    g.unlink(harmless(g) + g.offset("module", "list"))


def module_is_unlinked_from_sysfs(g):
    """A module is missing in /sys/module"""
    g.unlink(harmless(g) + g.offset("module", "mkobj") + g.offset("module_kobject", "kobj")
             + g.offset("kobject", "entry"))


def module_is_unlinked_from_both(g):
    """A module is missing in the list of modules and in /sys/module"""
    module_is_unlinked_from_the_list(g)
    module_is_unlinked_from_sysfs(g)


def module_has_a_name_that_policy_does_not_know(g):
    """A module is loaded that policy does not name"""
    g.write(harmless(g) + g.offset("module", "name"), b"harmful\0")


def programs_that_the_kernel_starts_are_replaced(g):
    """The kernel would start other programs to load a module and to store a core dump"""
    g.write(g.symbol("modprobe_path"), b"/tmp/evil\0")
    g.write(g.symbol("core_pattern"), b"|/tmp/evil\0")


def jump_label_is_switched_by_hand(g):
    """A branch that Linux switches holds a value that is legal there, at a moment when it is not"""
    image = g.kernel.image
    text = (image.offset("_stext"), image.offset("_etext"))
    site = next(s for s in patchsites.jump_labels(image) if text[0] <= s.offset < text[1])
    at = image.base + g.slide + site.offset
    nop, branch = site.variants[1][0], site.variants[2][0]
    g.put_u32(at, branch if g.u32(at) == nop else nop)


def lead_probe_elsewhere(bench):
    bench.shell.run(f"echo 1 > {EVENT}")
    g = bench.guest()
    probes = g.field(g.symbol("__tracepoint_sched_process_exec"), "tracepoint", "funcs")
    g.put_u64(probes + g.offset("tracepoint_func", "func"), g.symbol("vfs_read"))


def take_probe_away(bench):
    bench.restore()
    bench.shell.run(f"echo 0 > {EVENT}")


ROWS = (
    *outside("modules", LAB,
             (module_is_unlinked_from_the_list, "modules.hidden tables.exec"),
             (module_is_unlinked_from_sysfs, "modules.hidden"),
             (module_is_unlinked_from_both, "modules.hidden tables.exec"),
             (module_has_a_name_that_policy_does_not_know, "modules.unknown")),
    *outside("settings", LAB,
             (programs_that_the_kernel_starts_are_replaced, "state.modprobe state.core_pattern")),
    *outside("kernel code", LAB,
             (jump_label_is_switched_by_hand, "text.jump")),
    Technique("tracepoint-probe-leads-elsewhere", "hooks",
              "What is called at a tracepoint is a function of the kernel that is of another type.",
              LAB, frozenset({"tracepoints.probe"}), lead_probe_elsewhere, take_probe_away,
              outside=True),
)
