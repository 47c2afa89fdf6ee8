# SPDX-License-Identifier: Apache-2.0
"""kapu inspect on gateways as people have them: live, from a dump, and on what is no such thing."""

import json
import os
import re
import shutil
import signal
import subprocess
import time

import pytest

import snapshots
from kapu import allow
from kapu.build import policies
from kapu.paths import BUILD, host_environment
from kapu.qemu import MEMORY_MIB
from native import programs
from watched import MIB, RAM_BASE

LOOKS = 20
HOLES_STEP = 96 * MIB  # where 16 MiB are zeros
KAPU = BUILD / "gateway" / "kapu"


def run(*words) -> subprocess.CompletedProcess:
    return subprocess.run([KAPU, "inspect", "--release", BUILD / "gateway", *words],
                          env=host_environment(), capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def booted(tmp_path_factory):
    instance = snapshots.running(tmp_path_factory.mktemp("inspect") / "gw")
    instance.machine.start(reboot=False)
    yield instance
    instance.machine.stop()
    shutil.rmtree(instance.folder)


@pytest.fixture(scope="module")
def dump(booted):
    """An ELF core as QEMU writes it."""
    path = booted.folder / "dump.core"
    booted.machine.qmp("dump-guest-memory", paging=False, protocol=f"file:{path}")
    yield path
    path.unlink()


def test_a_running_gateway_is_clean_each_time(booted):
    """Stopped at any moment, early and late: no false alarm."""
    for _ in range(LOOKS):
        result = run("--json", "--live", booted.folder)
        report = json.loads(result.stdout)
        assert (result.returncode, report["findings"]) == (0, [])
        assert [c["id"] for c in report["checks"] if not c["done"]] == [
            "tracepoints", "modules", "io_uring"]
        time.sleep(0.05)
    assert booted.machine.qmp("query-status")["status"] == "running"


def test_it_leaves_nothing_behind(booted):
    assert run("--quiet", "--live", booted.folder).returncode == 0
    assert not list(booted.folder.glob("inspect*"))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGKILL])
def test_the_gateway_runs_again_however_a_look_ends(booted, number):
    """At several moments; the control is the look that is not ended."""
    stopped = 0
    for pause in (0.05, 0.2, 0.5, 1.0):
        looking = subprocess.Popen([KAPU, "inspect", "--quiet", "--release", BUILD / "gateway", "--live", booted.folder],
                                   env=host_environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(pause)  # the moment is what is tried
        looking.send_signal(number)
        stopped += looking.wait() == -number
        end = time.monotonic() + 120
        while list(booted.folder.glob("inspect*")) and time.monotonic() < end:
            time.sleep(0.02)
        assert booted.machine.qmp("query-status")["status"] == "running"
        assert not list(booted.folder.glob("inspect*"))
    assert stopped > 0
    assert run("--quiet", "--live", booted.folder).returncode == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_look_that_ends_at_any_of_its_changes_leaves_nothing(booted, number, tmp_path):
    """Before each call that changes something on the disk or makes a process (tests/support/signal_at.c), of the process that
    looks and of the one that guards the gateway; that one is not ended by SIGTERM."""
    library, = programs("tests/support/libsignal_at.so")
    words = [KAPU, "inspect", "--quiet", "--release", BUILD / "gateway", "--live", booted.folder]
    count = tmp_path / "count"
    watched = host_environment() | {"LD_PRELOAD": str(library)}
    counting = {"KAPU_SIGNAL_COUNT": str(count), "KAPU_SIGNAL": str(int(number)), "KAPU_SIGNAL_AT": "1000000"}
    assert subprocess.run(words, env=watched | counting, check=False).returncode == 0
    ended = 0
    for at in range(1, int(count.read_text()) + 1):
        done = subprocess.run(words, env=watched | {"KAPU_SIGNAL_AT": str(at), "KAPU_SIGNAL": str(int(number))}, check=False,
                              capture_output=True)
        ended += done.returncode == -number
        if number == signal.SIGTERM:
            end = time.monotonic() + 120
            while list(booted.folder.glob("inspect*")) and time.monotonic() < end:
                time.sleep(0.02)
            assert not list(booted.folder.glob("inspect*")), at
            assert booted.machine.qmp("query-status")["status"] == "running", at
    assert ended > 0
    assert run("--quiet", "--live", booted.folder).returncode == 0  # whatever was left, the next look mends
    assert not list(booted.folder.glob("inspect*"))
    assert booted.machine.qmp("query-status")["status"] == "running"


def test_two_looks_at_a_time_both_work(booted):
    words = [KAPU, "inspect", "--quiet", "--release", BUILD / "gateway", "--live", booted.folder]
    both = [subprocess.Popen(words, env=host_environment()) for _ in range(2)]
    assert [looking.wait(300) for looking in both] == [0, 0]
    assert booted.machine.qmp("query-status")["status"] == "running"


def test_what_the_gateway_runs_is_listed(booted):
    report = json.loads(run("--json", "--live", booted.folder).stdout)
    programs = {t["name"]: t for t in report["processes"]}
    assert programs["systemd"]["pid"] == 1
    supplicant = programs["tee-supplicant"]
    assert (supplicant["program"], supplicant["uid"]) == ("/usr/bin/tee-supplicant", 103)
    assert {"port": 68, "type": 2}.items() <= next(
        s for s in report["sockets"] if s["name"] == "systemd-network" and s["port"] == 68).items()
    assert any("libc.so.6" in c["file"] and c["resident_pages"] > 10 for c in report["code"])


def test_a_dump_is_clean_and_says_what_it_lacks(dump):
    result = run(dump)
    assert result.returncode == 0
    assert re.search(r"^  registers .* not checked: needs the registers", result.stdout, re.MULTILINE)
    assert "/usr/lib/systemd/systemd" in result.stdout


@pytest.mark.parametrize("command, words", [
    ("dump-guest-memory", {"paging": False, "format": "kdump-zlib", "protocol": "file:{}"}),
    ("pmemsave", {"val": RAM_BASE, "size": MEMORY_MIB * MIB, "filename": "{}"})])
def test_each_format_in_which_qemu_writes_memory_is_read(booted, command, words):
    path = booted.folder / "other"
    booted.machine.qmp(command, **{name: word.format(path) if isinstance(word, str) else word
                                   for name, word in words.items()})
    result = run("--quiet", path)
    path.unlink()
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


@pytest.mark.parametrize("format_", ["kdump-lzo", "kdump-snappy"])
def test_what_cannot_be_decompressed_is_named(booted, format_):
    path = booted.folder / "other"
    known = {name["name"] if isinstance(name, dict) else name
             for name in booted.machine.qmp("query-dump-guest-memory-capability")["formats"]}
    if format_ not in known:
        pytest.skip("this QEMU does not write it")
    booted.machine.qmp("dump-guest-memory", paging=False, format=format_, protocol=f"file:{path}")
    result = run(path)
    path.unlink()
    assert result.returncode == 2 and f"compressed by {format_[6:]}" in result.stderr and not result.stdout


def test_a_cut_dump_is_no_finding(dump):
    size = dump.stat().st_size
    for lacks in (1, 512):
        cut = dump.with_name("cut.core")
        shutil.copy(dump, cut)
        os.truncate(cut, size - lacks * MIB)
        result = run("--quiet", cut)
        cut.unlink()
        assert result.returncode == 2 and not result.stdout and f"{lacks * 1024} KiB of the memory are not in" in result.stderr


def test_zeros_in_the_place_of_16_mib_are_no_finding(dump):
    """Wherever they are: nothing that a check reads, or it says that it could not look."""
    report = json.loads(run("--json", dump).stdout)
    places = [int(report["text_pa"], 16) - RAM_BASE, *range(0, MEMORY_MIB * MIB, HOLES_STEP)]
    lacking = 0
    with open(dump, "r+b") as file:
        for place in places:
            file.seek(0)
            offset = file_offset(file, RAM_BASE + place)
            file.seek(offset)
            saved = file.read(16 * MIB)
            file.seek(offset)
            file.write(bytes(len(saved)))
            file.flush()
            result = run("--quiet", dump)
            file.seek(offset)
            file.write(saved)
            file.flush()
            assert result.returncode in (0, 2) and not result.stdout, (hex(place), result)
            lacking += result.returncode == 2
    assert lacking >= 2 and run("--quiet", dump).returncode == 0


def test_a_changed_byte_of_kernel_text_in_a_dump_is_found(dump):
    report = json.loads(run("--json", dump).stdout)
    text = int(report["text_pa"], 16) + 0x30000
    changed = dump.with_name("changed.core")
    shutil.copy(dump, changed)
    with open(changed, "r+b") as file:
        offset = file_offset(file, text)
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 1]))
    result = run("--quiet", changed)
    changed.unlink()
    assert result.returncode == 1 and result.stdout.startswith("text.")


def file_offset(core, pa: int) -> int:
    head = core.read(64)
    table, count = int.from_bytes(head[32:40], "little"), int.from_bytes(head[56:58], "little")
    for i in range(count):
        core.seek(table + 56 * i)
        segment = core.read(56)
        offset, _, start, size = (int.from_bytes(segment[at:at + 8], "little")
                                  for at in (8, 16, 24, 32))
        if segment[:4] == b"\1\0\0\0" and start <= pa < start + size:
            return offset + pa - start
    raise AssertionError(hex(pa))


@pytest.mark.parametrize("content, message", [
    (b"", "too small"), (bytes(1 << 20), "no kernel"), (b"\x7fELF" + bytes(4096), "not an ELF core")],
                         ids=["empty", "zeros", "cut"])
def test_what_is_no_memory_of_a_gateway_is_refused(tmp_path, content, message):
    (tmp_path / "file").write_bytes(content)
    result = run(tmp_path / "file")
    assert result.returncode == 2 and message in result.stderr


def test_a_gateway_that_does_not_run_is_refused(tmp_path):
    result = run("--live", tmp_path)
    assert result.returncode == 2 and "no gateway runs here" in result.stderr


def test_a_damaged_profile_is_refused(tmp_path, dump):
    profile = bytearray((BUILD / "gateway" / "kernel.profile").read_bytes())
    (tmp_path / "cut").write_bytes(profile[:-9])
    result = run("--profile", tmp_path / "cut", dump)
    assert result.returncode == 2 and "is damaged: it was cut" in result.stderr
    profile[28] ^= 1
    (tmp_path / "other").write_bytes(profile)
    result = run("--profile", tmp_path / "other", dump)
    assert result.returncode == 2 and "is damaged: its digest" in result.stderr


def test_an_allow_list_of_another_build_is_one_sentence(dump):
    """Of the same kernel, but of another root image, as after a change of a program; and of another kernel."""
    policy = allow.Policy(policies("gateway"))
    release = BUILD / "gateway"
    profile, root = (release / "kernel.profile").read_bytes(), json.loads((release / "root.json").read_text())["root_hash"]
    other = dump.with_name("allow.list")
    for data, told in ((allow.make_allow_list(release / "root-tree", policy, "ab" * 32, profile), f"root hash {root}"),
                       (allow.make_allow_list(release / "root-tree", policy, root, profile[:-1] + b"x"), "of another build")):
        other.write_bytes(data)
        result = run("--allow", other, dump)
        assert result.returncode == 2 and not result.stdout and result.stderr.count("\n") == 1 and told in result.stderr
    other.write_bytes(allow.make_allow_list(release / "root-tree", policy, root, profile))
    assert run("--quiet", "--allow", other, dump).returncode == 0
    other.unlink()


@pytest.mark.parametrize("words", [[], ["--live"], ["a", "b"], ["--no-such"], ["a", "--live", "b"]])
def test_wrong_use_shows_the_usage(words):
    result = run(*words)
    assert result.returncode == 2 and "usage: kapu inspect" in result.stderr
