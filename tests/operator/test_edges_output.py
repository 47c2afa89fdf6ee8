# SPDX-License-Identifier: Apache-2.0
"""Kind: output that cannot be written is a failure. Each command is run with an output that is full, one that is closed,
and one that nobody reads, and has no success then.

The commands come from their usage: one that is in neither table fails here.
"""

import os
import shutil
import subprocess

import pytest

import edges
from kapu.paths import ROOT
from releases import Updates
from simulated import Fleet

KIND = "output"
VECTORS = ROOT / "tests" / "vectors"
HELP_ONLY = {  # what more it would need; its help goes the same way, by stdio and the end of main.c
    "factory ek": "a TPM", "factory provision": "a TPM", "factory show": "a TPM", "factory upgrade": "a TPM",
    "factory record": "a TPM", "factory key": "a key", "inspect": "a memory image", "release make": "a build",
    "release patch": "a build", "release rebuild": "a build", "update resume": "a halted rollout",
    "update halt": "one that runs",
}


@pytest.fixture(scope="module")
def updates(tmp_path_factory):
    fleet = Fleet(tmp_path_factory.mktemp("output"))
    try:
        made = Updates(fleet, ("pump",))
        assert fleet.kapu("attest", "pump").returncode == 0
        yield made
    finally:
        fleet.end()


def rows(updates) -> dict[str, list[list]]:
    """By command: its words, which succeed."""
    fleet = updates.fleet
    folder, gateway = fleet.folder, updates.gateways["pump"]
    for name in ("clean.message", "tee.key"):
        shutil.copy(VECTORS / "evidence" / name, folder)
    release = updates.published()
    manifest, keys = release.folder / "manifest", fleet.operator.folder / "release.keys"
    out, public = folder / "out", folder / "public.pem"
    private = folder / "private.pem"
    subprocess.run(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", private], check=True,
                   capture_output=True)
    subprocess.run(["openssl", "pkey", "-in", private, "-pubout", "-out", public], check=True, capture_output=True)
    record, reference = fleet.record_file(gateway), fleet.release_file(gateway)
    for_it = ["--gateway", gateway.facts["ueid"]]
    return {
        "attest": [["pump"], ["pump", "--json"]],
        "audit": [[], ["--json"]],
        "board add": [[record]], "board list": [[], ["--json"]], "board remove": [[gateway.facts["board"]]],
        "enroll": [[gateway.name, "--timeout", "20"], ["--renew", "pump", "--json", "--timeout", "20"]],
        "evidence show": [["--key", folder / "tee.key", folder / "clean.message"],
                          ["--json", "--key", folder / "tee.key", folder / "clean.message"]],
        "fleet": [[], ["--json"]],
        "reference add": [[reference]], "reference show": [[reference]], "reference remove": [["0.5.0", "gateway"]],
        "release keys": [["--role", "release", "--threshold", "1", "--out", out, public]],
        "release show": [[manifest], ["--json", manifest]],
        "release sign": [["--key", private, manifest]],
        "release verify": [["--keys", keys, manifest]],
        "release rollout": [["--number", "1", *for_it, "--out", out, manifest]],
        "release approve": [[*for_it, "--boot", "33" * 32, "--out", out, manifest]],
        "release membership": [["--number", "1", "--group", "g", *for_it, "--out", out]],
        "update publish": [[updates.make().folder, "--to", updates.web]],
        "update rollout": [[release.version, "--all"]],
        "update status": [[], ["--json"], [release.version, "--json", "--history"]],
        "update join": [["coast", "--all"]],
        "forget": [["pump"]],
    }


def outputs():
    """By what is wrong: how it is given to a program."""
    yield "full", {"stdout": open("/dev/full", "wb")}  # pylint: disable=consider-using-with
    yield "closed", {"preexec_fn": lambda: os.close(1)}
    reader, writer = os.pipe()
    os.close(reader)
    yield "nobody reads", {"stdout": writer}


def run(updates, words, **how) -> subprocess.CompletedProcess:
    words = updates.fleet.command(*words) if words[0] not in ("release", "evidence", "factory") else [
        str(updates.fleet.kapu_program), *map(str, words)]
    return subprocess.run(words, stderr=subprocess.PIPE, text=True, check=False, timeout=120, **how)


def clean(updates) -> None:
    """As it was before a command: nothing is signed, known or written already."""
    for path in updates.fleet.folder.glob("release-*/manifest"):
        kept = path.with_name("manifest.kept")
        if not kept.exists():
            shutil.copy(path, kept)
        shutil.copy(kept, path)
    (updates.fleet.folder / "out").unlink(missing_ok=True)
    files = updates.fleet.operator.folder
    if (updates.fleet.folder / "kept.db").exists():
        for name in ("kapu.db-wal", "kapu.db-shm"):
            (files / name).unlink(missing_ok=True)
        shutil.copy(updates.fleet.folder / "kept.db", files / "kapu.db")
        shutil.copy(updates.fleet.folder / "kept.labels", files / "labels")


@pytest.mark.share(1)
def test_each_command_fails_whose_output_cannot_be_written(updates):
    table = rows(updates)
    assert sorted([*table, *HELP_ONLY]) == sorted(edges.usages(updates.fleet.kapu_program))
    shutil.copy(updates.fleet.operator.folder / "kapu.db", updates.fleet.folder / "kept.db")
    shutil.copy(updates.fleet.operator.folder / "labels", updates.fleet.folder / "kept.labels")
    with edges.Cases(f"{KIND}: commands") as cases:
        for command, all_words in table.items():
            for words in all_words:
                for what, how in [("good", {"stdout": subprocess.PIPE}), *outputs()]:
                    clean(updates)
                    done = run(updates, [*command.split(), *words], **how)
                    good = done.returncode == 0 and done.stdout if what == "good" else done.returncode != 0
                    cases.check(good, f"{command} {words}, {what}: {done}")
                    told = "could not be written" in done.stderr
                    cases.check(told == (what not in ("good",)) or done.returncode == -13, f"{command}, {what}: {done}")


def test_help_fails_too(updates):
    with edges.Cases(f"{KIND}: help") as cases:
        for words in [[command, "--help"] for command in edges.commands(updates.fleet.kapu_program)] + [["--help"], ["--version"]]:
            for what, how in [("good", {"stdout": subprocess.PIPE}), *outputs()]:
                done = subprocess.run([updates.fleet.kapu_program, *words], stderr=subprocess.PIPE, check=False, **how)
                cases.check((done.returncode == 0) == (what == "good"), f"{words}, {what}: {done}")


def test_nothing_is_written_into_a_file_that_is_opened_instead(updates):
    """With a closed output, the first file that is opened would get its number: the store, or a key."""
    files = updates.fleet.operator.folder
    before = {path.name: path.read_bytes() for path in files.iterdir() if path.is_file() and not path.name.startswith("kapu.db")}
    with edges.Cases(f"{KIND}: closed") as cases:
        for closed in ((0,), (1,), (2,), (0, 1, 2)):
            done = run(updates, ["fleet"], preexec_fn=lambda closed=closed: [os.close(fd) for fd in closed])
            cases.check((done.returncode == 0) == (1 not in closed), f"{closed}: {done}")
            now = {name: (files / name).read_bytes() for name in before}
            cases.check(now == before, f"{closed}")
