# SPDX-License-Identifier: Apache-2.0
"""The monitor in the secure world against an attacker who owns Linux: it sees, it cannot be stopped, and
what it saw leads to a reset into a verified state. What it says is read from the secure console.
"""

import re
import shutil
import struct
import time

import pytest

import snapshots
from attacks import firmware_calls
from attacks.corpus.tools import build_tools
from guest import Guest, Kernel, inspect
from kapu.gdb import Gdb
from kapu.qemu import CORES
from monitored import AGAIN, RESET, WATCH, Monitor
from shell import Shell, type_line
from shares import share

BOOT_SECONDS = 900
NOP = struct.pack("<I", 0xd503201f)
REFUSE = struct.pack("<II", 0x129ffe20, 0xd65f03c0)  # return TEEC_ERROR_COMMUNICATION
RESET_SECONDS = 30 + 15   # on_alarm of gateway/policy, and a tick of a slow emulator
WATCHDOG_SECONDS = 120    # PLATFORM_WATCHDOG_S
HURRY_SECONDS = 60        # PLATFORM_HURRY_S
MONITOR_PTA = "92bd1e01-33d9-4b0f-a763-0c9e6e1d3f58"  # wire/monitor_pta.h
MONITOR_TA = "4c7a9b3e-61f0-4b7c-8d21-5e90d4a60f13"   # wire/monitor_ta.h
UNKNOWN_TA = "4c7a9b3e-61f0-4b7c-8d21-000000000000"
NOBODY = "00000000-0000-0000-0000-000000000000"
ACCESS_DENIED, BAD_PARAMETERS = "0xffff0001", "0xffff0006"
# GlobalPlatform TEE Client API 1.0, 4.4; Linux' own (uapi/linux/tee.h); Internal Core API 1.3, 4.2.2
LOGINS = {0: "public", 1: "user", 2: "group", 4: "application", 5: "user application",
          6: "group application", 0x80000000: "kernel", 0xf0000000: "trusted application"}
KEPT = re.compile("kapu: last words: a power cut does not lose them")
OVER = re.compile("kapu: last words: over, a deep check found nothing")
BY_LINUX = ("group", "application", "user application", "group application")
COVERAGE_SECONDS = 5      # every watched page within this time


def patch_code(gdb_socket, pa: int, code: bytes) -> None:
    """By the emulator, which then forgets what it has translated of the old code."""
    gdb = Gdb(gdb_socket)
    assert gdb.command("Qqemu.PhyMemMode:1") == b"OK"
    gdb.write(pa, code)
    assert gdb.command("D") == b"OK"
    gdb.close()


def make(folder, flavour):
    instance = snapshots.running(folder / "gw", flavour)
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


earlier = []  # gateways that no later test of this file asks anything


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    instance = make(tmp_path_factory.mktemp("monitor"), "gateway")
    attacked = Attacked(instance, "gateway")
    instance.machine.wait_for("^KAPU-STATUS ok", BOOT_SECONDS)
    earlier.append(instance.machine)
    yield attacked
    instance.machine.stop()
    shutil.rmtree(instance.folder)


@pytest.fixture
def another(tmp_path):
    """A gateway of its own, for what ends in a reset."""
    instance = make(tmp_path, "gateway")
    attacked = Attacked(instance, "gateway")
    attacked.monitor.skip()
    yield attacked
    instance.machine.stop()
    shutil.rmtree(instance.folder)


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """A lab gateway, where the monitor only reports, and its shell. The other one would look at itself all the time."""
    for machine in earlier:
        machine.stop()
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


@pytest.mark.share(1)
def test_what_the_monitor_saw_outlives_the_power(another):
    """Cut in the grace period, before the reset: the next run says what was seen. As a deep check of that run found nothing,
    and that was written down, the one after it says nothing any more."""
    for said in (True, False):
        if said:
            another.guest().write(another.guest().symbol("vfs_read") + 64, NOP)
            assert "text.page" in another.monitor.next_check(HURRY_SECONDS + BOOT_SECONDS).ids
            another.monitor.wait(KEPT, RESET_SECONDS)
        another.machine.stop()
        another.machine.console.unlink()
        another.machine.secure_console.unlink()
        another.monitor = Monitor(another.machine)
        another.machine.start()
        check = another.monitor.next_check(BOOT_SECONDS)
        assert (check.number, check.findings) == (1, [])
        words = re.findall(r"before the power went: alarm (\S+): ", another.machine.text(secure=True))
        assert words == (["text.page"] if said else [])
        if said:  # the TPM is written after the findings are told
            another.monitor.wait(OVER, RESET_SECONDS)


@pytest.mark.share(4)
def test_who_changes_more_pages_than_the_watch_keeps_is_found(another):
    """Some of them are not judged as they were: that there are so many is an alarm, of the deep check that the first of
    them hastens or of the one after it. Each is watched on, so that a second change of it is seen too."""
    guest = another.guest()
    names = guest.symbol("kallsyms_names") + 4095 & -4096  # constants that nobody needs now
    for page in range(names, guest.symbol("kallsyms_seqs_of_names"), 4096):
        guest.write(page, b"changed")
    changed = another.monitor.wait(WATCH, 3 * COVERAGE_SECONDS)[1]
    check = another.monitor.next_check(HURRY_SECONDS)
    if "monitor.missed" not in check.ids:
        check = another.monitor.next_check(HURRY_SECONDS)
    assert ("alarm", "monitor.missed") in {(f["severity"], f["id"]) for f in check.findings}
    guest.write_pa(int(changed, 16), b"again")
    while another.monitor.wait(WATCH, 3 * COVERAGE_SECONDS)[1] != changed:
        pass
    another.monitor.wait(RESET, RESET_SECONDS)


@pytest.mark.share(5)
def test_a_driver_that_refuses_calls_does_not_silence_the_secure_world(another):
    """Linux' OP-TEE driver patched to fail each call: no deep check can be asked for. The secure timer's
    watch sees the patch, and resets the board when nobody comes to explain it."""
    guest = another.guest()
    place = guest.physical(guest.symbol("optee_smc_do_call_with_arg"))
    patch_code(another.instance.folder / "gdb.sock", place, REFUSE)
    changed = another.monitor.wait(WATCH, 3 * COVERAGE_SECONDS)
    assert int(changed[1], 16) == place & -4096
    assert "no deep check" in another.monitor.wait(RESET, HURRY_SECONDS + 30)[1]
    assert int(another.monitor.wait(AGAIN, BOOT_SECONDS)[1]) > 0


@pytest.mark.share(3)
def test_a_check_that_never_comes_resets_the_gateway(lab):
    lab.monitor.next_check(BOOT_SECONDS)
    lab.shell.run("systemctl stop kapu-agent")
    assert "no deep check" in lab.monitor.wait(RESET, WATCHDOG_SECONDS + 30)[1]
    lab.machine.wait_for("kapu-lab# ", BOOT_SECONDS, start=len(lab.machine.text()), partial=True)
    assert lab.monitor.next_check(BOOT_SECONDS).findings == []
    said = lab.shell.run("kapu-agent status")
    assert "no deep check in time; 1 times since power-on" in said
    assert "verdict    clean" in said and "watchdog   resets the gateway in" in said


@pytest.fixture(scope="module")
def armed_lab(lab):
    """The lab with the corpus's modules and programs in /lab."""
    build_tools(lab.instance.folder / "share")
    lab.shell.run("insmod /lab/smc.ko && insmod /lab/login.ko")
    yield lab


@pytest.fixture
def armed_copy(armed_lab, tmp_path):
    """A lab of its own, for what may end in a reset."""
    instance = make(tmp_path, "lab")
    shutil.copy(armed_lab.instance.folder / "share" / "smc.ko", instance.folder / "share")
    attacked = Attacked(instance, "lab")
    attacked.shell = Shell(instance.machine)
    attacked.shell.run("insmod /lab/smc.ko")
    yield attacked
    attacked.shell.close()
    instance.machine.stop()
    shutil.rmtree(instance.folder)


@pytest.mark.parametrize("user", share(["0", "65534"]))
def test_linux_cannot_open_the_monitor_service(armed_lab, user):
    """By any login, as root and as nobody; the same caller may open the monitor TA."""
    shell = armed_lab.shell
    became = "" if user == "0" else f"setpriv --reuid={user} --regid={user} --clear-groups "
    if user != "0":
        shell.run("chmod 666 /dev/tee0")
    opened = {}
    for login, name in LOGINS.items():
        for client in ("", MONITOR_TA):
            said = shell.run(f"{became}/lab/tee open {MONITOR_PTA} {login:#x} {client}")
            opened[name, client] = said.splitlines()[-1]
    # Linux itself refuses to make some of them for a program; the secure world denies all the others.
    refused_by_linux = {name for (name, _), said in opened.items() if said.startswith("errno")}
    assert refused_by_linux <= {"kernel", "trusted application"} | set(BY_LINUX)
    denied = {said for said in opened.values() if not said.startswith("errno")}
    assert denied == {ACCESS_DENIED}, opened
    assert shell.run(f"{became}/lab/tee open {MONITOR_TA} 0") == "0x00000000"
    assert shell.run(f"{became}/lab/tee open {UNKNOWN_TA} 0") == "0xffff0008"  # TEE_ERROR_ITEM_NOT_FOUND


def forged(shell, login: int, service: str, client: str) -> str:
    shell.run(f"echo '{login:x} {service} {client}' | tr -d - > /proc/kapu-login")
    return shell.run("cat /proc/kapu-login")


@pytest.fixture
def quiet_lab(armed_lab):
    """Nobody else calls the secure world: a call that must wait there would take its turns with the others."""
    armed_lab.shell.run("systemctl kill -s STOP kapu-agent; sleep 1")
    yield armed_lab
    armed_lab.shell.run("systemctl kill -s CONT kapu-agent")


@pytest.mark.parametrize("login", share(LOGINS))
def test_linux_cannot_forge_a_caller_of_the_monitor_service(quiet_lab, login):
    """Past Linux' driver, straight to OP-TEE, as the monitor TA or as nobody in particular."""
    expected = BAD_PARAMETERS if LOGINS[login] == "trusted application" else ACCESS_DENIED
    for client in (MONITOR_TA, NOBODY):
        assert forged(quiet_lab.shell, login, MONITOR_PTA, client) == expected
    assert forged(quiet_lab.shell, 0, MONITOR_TA, NOBODY) == "0x00000000"


def cores_that_tick(lab) -> int:
    for _ in range(5):  # the report may change while it is read, which fails
        time.sleep(1.5)  # a core that has not been seen for a second does not count
        found = re.search(r"(\d+) cores", lab.shell.run("kapu-agent status", check=False))
        if found:
            return int(found[1])
    raise AssertionError("the secure world gives no report")


def results_of(shell, calls, core: int) -> list[int | None]:
    """What each call returned, as a signed number; None: the core did not come back."""
    lines = firmware_calls.lines(calls, core)
    found: list[int | None] = []
    for at in range(0, len(lines), 40):
        some = lines[at:at + 40]
        shell.run("printf '%s\\n' " + " ".join(f"'{line}'" for line in some) + " > /proc/kapu-smc",
                  check=False)
        said = [line.split() for line in shell.run("cat /proc/kapu-smc").splitlines()]
        assert [" ".join(line[:5]) for line in said] == some, said[-1]
        for words in said:
            value = None if words[5] == "lost" else int(words[5], 16)
            found.append(value if value is None or value < 1 << 31 else
                         (value & 0xffffffff) - (1 << 32))
    return found


@pytest.mark.parametrize("core", share(range(CORES)))
def test_no_core_leaves_the_secure_worlds_sight(armed_lab, core):
    """Every PSCI function in both widths, all kinds of power states, arguments that point into the secure world, and
    functions of all other ranges: after them each core ticks, and the secure world watches."""
    before = cores_that_tick(armed_lab)
    assert before == armed_lab.instance.facts["cores"]
    for calls in (list(firmware_calls.psci()), list(firmware_calls.ranges())):
        results = results_of(armed_lab.shell, calls, core)
        for call, result in zip(calls, results):
            assert result is not None, f"{call[0]:#x} {call[1]:#x}"
            function = call[0] & 0x1f
            if call[0] >> 24 & 0x3f == 4 and function == firmware_calls.CPU_OFF and call[0] >> 30 == 2:
                assert result == firmware_calls.DENIED
            if call[0] >> 24 & 0x3f == 4 and function == firmware_calls.CPU_SUSPEND and call[1] & 1 << 16:
                assert result == firmware_calls.INVALID
        assert cores_that_tick(armed_lab) == before
    armed_lab.shell.run("systemctl kill -s USR1 kapu-agent")
    armed_lab.monitor.next_check(BOOT_SECONDS)


@pytest.mark.share(4)
@pytest.mark.parametrize("function, x1", [(0x84000009, 0), (0x84000012, 0), (0xc4000012, 0)])
def test_a_reset_that_linux_asks_for_is_a_verified_boot(armed_copy, function, x1):
    """SYSTEM_RESET and SYSTEM_RESET2: either refused, with each core ticking, or through the ROM."""
    machine = armed_copy.machine
    seen = len(machine.text())
    type_line(machine, f"echo '0 {function:x} {x1:x} 0 0' > /proc/kapu-smc; echo came\"\"back")
    found = machine.wait_for(r"^cameback|all images verified", BOOT_SECONDS, start=seen)
    if "cameback" in found.group(0):
        assert cores_that_tick(armed_copy) == armed_copy.instance.facts["cores"]
    else:
        assert "BL1: Booting BL2" in machine.text()[seen:]
