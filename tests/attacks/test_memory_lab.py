# SPDX-License-Identifier: Apache-2.0
"""What the lab's kernel has and the gateway's has not: modules, tracing, probes, jump labels, eBPF.

Used as meant they are known; hidden, or as hooks, they are found.
"""

import shutil
import struct
import subprocess

import pytest

from guest import Guest, Kernel, inspect
from kapu import allow, patchsites
from kapu.build import KERNEL_ENVIRONMENT
from kapu.paths import BUILD, host_environment
from shell import Shell
from watched import watched_instance

MODULE = r"""
#include <linux/module.h>
static int __init hello(void) { return 0; }
static void __exit bye(void) { }
module_init(hello);
module_exit(bye);
MODULE_LICENSE("GPL");
"""
TRACING = "/sys/kernel/tracing"
STATE_SECTION = 5  # of the allow-list


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """A lab gateway with a module loaded."""
    folder = tmp_path_factory.mktemp("lab")
    instance = watched_instance(folder / "gw", "lab")
    machine = instance.machine
    machine.start(reboot=False)
    shell = Shell(machine)
    source = folder / "module"
    source.mkdir()
    (source / "hello.c").write_text(MODULE)
    (source / "Makefile").write_text("obj-m := hello.o\n")
    subprocess.run(["make", "-C", (BUILD / "lab" / "headers").resolve(), f"M={source}", "modules"],
                   check=True, env=host_environment() | KERNEL_ENVIRONMENT, capture_output=True)
    shutil.copy(source / "hello.ko", instance.folder / "share")
    shell.run("insmod /lab/hello.ko")
    shell.run(f"mount -t tracefs tracefs {TRACING} || test -e {TRACING}/trace")
    shell.folder, shell.kernel = instance.folder, Kernel("lab")
    yield shell
    shell.close()
    machine.stop()
    shutil.rmtree(instance.folder)


@pytest.fixture
def guest(lab):
    """The stopped lab, which goes on when the test ends, with all changes taken back."""
    lab.machine.qmp("stop")
    _, report = inspect("lab", lab.folder)
    made = Guest(lab.machine, lab.kernel, report)
    made.report, made.folder = report, lab.folder
    yield made
    made.restore()
    lab.machine.qmp("cont")


def found_in(folder) -> set[str]:
    return {finding["id"] for finding in inspect("lab", folder)[1]["findings"]}


def test_a_loaded_module_is_known(guest):
    assert [m["name"] for m in guest.report["modules"]] == ["hello"]
    assert guest.report["findings"] == []


def hello(g: Guest) -> int:
    return next(int(m["module"], 16) for m in g.report["modules"] if m["name"] == "hello")


def test_a_module_hidden_from_the_list_is_found(guest):
    guest.unlink(hello(guest) + guest.offset("module", "list"))
    assert {"modules.hidden", "tables.exec"} <= found_in(guest.folder)


def test_a_module_hidden_from_sysfs_is_found(guest):
    guest.unlink(hello(guest) + guest.offset("module", "mkobj")
                 + guest.offset("module_kobject", "kobj") + guest.offset("kobject", "entry"))
    assert "modules.hidden" in found_in(guest.folder)


def test_a_module_hidden_from_both_is_found(guest):
    test_a_module_hidden_from_the_list_is_found(guest)
    test_a_module_hidden_from_sysfs_is_found(guest)


def test_a_module_that_policy_does_not_know_is_found(guest):
    guest.write(hello(guest) + guest.offset("module", "name"), b"jello\0")
    assert "modules.unknown" in found_in(guest.folder)


def test_ebpf_programs_are_found_when_policy_does_not_allow_them(guest, tmp_path):
    """The lab's policy does: systemd uses them there."""
    strict = bytearray((BUILD / "lab" / "allow.list").read_bytes())
    at, count = struct.unpack_from("<II", strict, allow.HEADER + 8 * STATE_SECTION)
    records = [strict[at + 8 * i:at + 8 * i + 8] for i in range(count)]
    strict[at + 8 * records.index(struct.pack("<II", allow.STATE["bpf"], 1)) + 4] = 0
    (tmp_path / "allow.list").write_bytes(strict)
    _, report = inspect("lab", guest.folder, "--allow", tmp_path / "allow.list")
    assert {finding["id"] for finding in report["findings"]} == {"code.bpf"}


@pytest.fixture
def traced(lab):
    lab.run(f"echo 1 > {TRACING}/events/sched/sched_process_exec/enable")
    yield
    lab.run(f"echo 0 > {TRACING}/events/sched/sched_process_exec/enable")


def test_a_probe_of_a_tracepoint_that_leads_elsewhere_is_found(traced, guest):
    before = {finding["id"] for finding in guest.report["findings"]}
    assert "tracepoints.probe" not in before  # it is a function of the right type
    tracepoint = guest.symbol("__tracepoint_sched_process_exec")
    probes = guest.field(tracepoint, "tracepoint", "funcs")
    guest.put_u64(probes + guest.offset("tracepoint_func", "func"), guest.symbol("vfs_read"))
    assert "tracepoints.probe" in found_in(guest.folder)


def test_the_programs_that_the_kernel_starts_are_watched(guest):
    guest.write(guest.symbol("modprobe_path"), b"/tmp/evil\0")
    guest.write(guest.symbol("core_pattern"), b"|/tmp/evil\0")
    assert {"state.modprobe", "state.core_pattern"} <= found_in(guest.folder)


def test_a_jump_label_switched_by_hand_is_found(guest):
    """A value that is legal there, at a moment when it is not."""
    image = guest.kernel.image
    text = (image.offset("_stext"), image.offset("_etext"))
    site = next(s for s in patchsites.jump_labels(image) if text[0] <= s.offset < text[1])
    at = image.base + guest.slide + site.offset
    nop, branch = site.variants[1][0], site.variants[2][0]
    guest.put_u32(at, branch if guest.u32(at) == nop else nop)
    assert found_in(guest.folder) == {"text.jump"}


def test_a_traced_function_is_found_and_forgotten(lab):
    lab.run(f"echo vfs_statx > {TRACING}/set_ftrace_filter")
    lab.run(f"echo function > {TRACING}/current_tracer")
    assert "text.ftrace" in found_in(lab.folder)
    lab.run(f"echo nop > {TRACING}/current_tracer")
    assert found_in(lab.folder) == set()


def test_a_kprobe_is_found_and_forgotten(lab):
    lab.run(f"echo 'p:probe vfs_statx+0x20' > {TRACING}/kprobe_events")
    lab.run(f"echo 1 > {TRACING}/events/kprobes/probe/enable")
    assert {"text.page", "code.kprobe"} <= found_in(lab.folder)
    lab.run(f"echo 0 > {TRACING}/events/kprobes/probe/enable")
    lab.run(f"echo > {TRACING}/kprobe_events")
    assert found_in(lab.folder) == set()


def test_churn_is_no_finding(lab):
    """Processes and modules come and go, looked at meanwhile."""
    lab.run("for i in $(seq 300); do ls /proc > /dev/null; rmmod hello; insmod /lab/hello.ko; done "
            "> /dev/null 2>&1 & true")
    for _ in range(20):
        status, report = inspect("lab", lab.folder)
        assert (status, report["findings"]) == (0, [])


def test_a_program_from_elsewhere_is_found(lab):
    """A copy of a program of the image, in a writable folder, with other code."""
    lab.run("cp /usr/bin/sleep /tmp/sleep && mount -o remount,exec /tmp")
    lab.run("/tmp/sleep 1000 & sleep 1")
    found = found_in(lab.folder)
    lab.run("kill %1; true")
    assert {"credentials.program", "code.file"} <= found
