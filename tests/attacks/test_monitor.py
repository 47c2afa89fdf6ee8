# SPDX-License-Identifier: Apache-2.0
"""The monitor in the secure world against an attacker who owns Linux: it sees, it cannot be stopped, and
what it saw leads to a reset into a verified state. What it says is read from the secure console.
"""

import shutil
import struct

import pytest

from attacks.corpus.bench import build_tools
from guest import Guest, Kernel, inspect
from kapu.gdb import Gdb
from monitored import AGAIN, RESET, WATCH, Monitor
from shell import Shell
from watched import watched_instance

BOOT_SECONDS = 240
NOP = struct.pack("<I", 0xd503201f)
REFUSE = struct.pack("<II", 0x129ffe20, 0xd65f03c0)  # return TEEC_ERROR_COMMUNICATION
RESET_SECONDS = 30 + 15   # on_alarm of gateway/policy, and a tick of a slow emulator
WATCHDOG_SECONDS = 120    # PLATFORM_WATCHDOG_S
HURRY_SECONDS = 60        # PLATFORM_HURRY_S
COVERAGE_SECONDS = 5      # every watched page within this time


def patch_code(gdb_socket, pa: int, code: bytes) -> None:
    """By the emulator, which then forgets what it has translated of the old code."""
    gdb = Gdb(gdb_socket)
    assert gdb.command("Qqemu.PhyMemMode:1") == b"OK"
    gdb.write(pa, code)
    assert gdb.command("D") == b"OK"
    gdb.close()


def make(folder, flavour):
    instance = watched_instance(folder / "gw", flavour)
    instance.machine.start()
    return instance


class Attacked:
    """A gateway that runs, its memory, and the monitor's words."""

    def __init__(self, instance, flavour: str):
        self.instance, self.machine = instance, instance.machine
        self.flavour = flavour
        self.monitor = Monitor(self.machine)
        self.kernel = Kernel(flavour)

    def guest(self) -> Guest:
        """Its memory; where the kernel is is found anew after each reset."""
        _, report = inspect(self.flavour, self.instance.folder)
        made = Guest(self.machine, self.kernel, report)
        made.report = report
        return made


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    instance = make(tmp_path_factory.mktemp("monitor"), "gateway")
    attacked = Attacked(instance, "gateway")
    instance.machine.wait_for("^KAPU-STATUS ok", BOOT_SECONDS)
    yield attacked
    instance.machine.stop()
    shutil.rmtree(instance.folder)


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """A lab gateway, where the monitor only reports, and its shell."""
    instance = make(tmp_path_factory.mktemp("monitor-lab"), "lab")
    attacked = Attacked(instance, "lab")
    attacked.shell = Shell(instance.machine)
    yield attacked
    attacked.shell.close()
    instance.machine.stop()
    shutil.rmtree(instance.folder)


def test_deep_checks_of_an_untouched_gateway_are_clean(gateway):
    for _ in range(2):
        check = gateway.monitor.next_check(BOOT_SECONDS)
        assert check.findings == []


def test_a_change_that_is_gone_when_the_check_comes_was_seen_by_the_watch(gateway):
    """Hide and restore: the change stays until the watch has seen it and no longer; the deep check after
    it looks at the page as it was."""
    gateway.monitor.next_check()
    guest = gateway.guest()
    guest.write(guest.symbol("vfs_read") + 64, NOP)
    changed = gateway.monitor.wait(WATCH, 3 * COVERAGE_SECONDS)
    guest.restore()
    page = guest.physical(guest.symbol("vfs_read")) & -4096
    assert int(changed[1], 16) == page
    assert "text.page" in gateway.monitor.next_check(HURRY_SECONDS).ids


def test_an_alarm_resets_the_gateway_and_is_remembered(gateway):
    """Goes on where the one before ended: an alarm that is hours old would do as well."""
    gateway.monitor.wait(RESET, RESET_SECONDS)
    assert int(gateway.monitor.wait(AGAIN, BOOT_SECONDS)[1]) == 1
    check = gateway.monitor.next_check(BOOT_SECONDS)
    assert (check.number, check.findings) == (1, [])


def test_who_changes_more_pages_than_the_watch_keeps_is_found(gateway):
    """Some of them are not judged as they were: that there are so many is an alarm. Each is watched on, so
    that a second change of it is seen too."""
    guest = gateway.guest()
    names = guest.symbol("kallsyms_names") + 4095 & -4096  # constants that nobody needs now
    for page in range(names, guest.symbol("kallsyms_seqs_of_names"), 4096):
        guest.write(page, b"changed")
    changed = gateway.monitor.wait(WATCH, 3 * COVERAGE_SECONDS)[1]
    check = gateway.monitor.next_check(HURRY_SECONDS)
    assert ("alarm", "monitor.missed") in {(f["severity"], f["id"]) for f in check.findings}
    guest.write_pa(int(changed, 16), b"again")
    while gateway.monitor.wait(WATCH, 3 * COVERAGE_SECONDS)[1] != changed:
        pass
    gateway.monitor.wait(RESET, RESET_SECONDS)
    gateway.monitor.wait(AGAIN, BOOT_SECONDS)
    check = gateway.monitor.next_check(BOOT_SECONDS)
    assert (check.number, check.findings) == (1, [])


def test_a_driver_that_refuses_calls_does_not_silence_the_secure_world(gateway):
    """Linux' OP-TEE driver patched to fail each call: no deep check can be asked for. The secure timer's
    watch sees the patch, and resets the board when nobody comes to explain it."""
    guest = gateway.guest()
    place = guest.physical(guest.symbol("optee_smc_do_call_with_arg"))
    patch_code(gateway.instance.folder / "gdb.sock", place, REFUSE)
    changed = gateway.monitor.wait(WATCH, 3 * COVERAGE_SECONDS)
    assert int(changed[1], 16) == place & -4096
    assert "no deep check" in gateway.monitor.wait(RESET, HURRY_SECONDS + 30)[1]
    assert int(gateway.monitor.wait(AGAIN, BOOT_SECONDS)[1]) > 0
    check = gateway.monitor.next_check(BOOT_SECONDS)
    assert (check.number, check.findings) == (1, [])


def test_a_check_that_never_comes_resets_the_gateway(lab):
    lab.monitor.next_check(BOOT_SECONDS)
    lab.shell.run("systemctl stop kapu-agent")
    assert "no deep check" in lab.monitor.wait(RESET, WATCHDOG_SECONDS + 30)[1]
    lab.machine.wait_for("kapu-lab# ", BOOT_SECONDS, start=len(lab.machine.text()), partial=True)
    assert lab.monitor.next_check(BOOT_SECONDS).findings == []
    said = lab.shell.run("kapu-agent status")
    assert "no deep check in time; 1 times since power-on" in said
    assert "verdict    clean" in said and "watchdog   resets the gateway in" in said


def test_linux_cannot_open_the_monitor_service(lab):
    """Its caller must be the monitor TA; kapu-boot has the same door for any service."""
    said = lab.shell.run("kapu-boot monitor-service", check=False)
    assert "the secure world denies it to this caller" in said


def test_no_core_leaves_the_secure_worlds_sight(lab):
    """Raw PSCI calls of a kernel module: CPU_OFF and CPU_SUSPEND to power-down are refused."""
    build_tools(lab.instance.folder, lab.instance.folder / "share")
    lab.shell.run("insmod /lab/power.ko")
    said = lab.shell.run("dmesg | grep kapu-attack")
    assert "CPU_OFF -3" in said  # PSCI_E_DENIED
    assert "CPU_SUSPEND -2" in said  # PSCI_E_INVALID_PARAMS
    lab.shell.run("rmmod power")
