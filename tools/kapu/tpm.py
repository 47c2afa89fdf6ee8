# SPDX-License-Identifier: Apache-2.0
"""A board's TPM: swtpm on the state in the board's folder, and the factory step that pairs both.

    tpm/    swtpm's state
    fuses   the board's record (kapu/fusebox.h), which the runner puts behind BL1 in the ROM flash
    board.record  what the factory signs of the board, for operators (wire/board-record.cddl)

The endorsement certificate is issued by a certificate authority of this checkout (swtpm_localca),
which stands for the TPM's manufacturer.
"""

import fcntl
import functools
import json
import os
import re
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path

from . import build, keys
from .errors import KapuError
from .making import new_file
from .paths import BUILD, host_environment
from .processes import end_process, read_pid
from .steps import Progress

CA = BUILD / "ek-ca"
FUSES = "fuses"
RECORD = "board.record"
FUSES_OFFSET = 128 * 1024  # KAPU_FUSES_BASE of the platform
# What swtpm says of itself as a TPM (TCG EK Credential Profile 2.5, 3.2.9), for its certificate.
TPM_FACTS = ("--tpm2", "--tpm-spec-family", "2.0", "--tpm-spec-level", "0", "--tpm-spec-revision",
             "164", "--tpm-manufacturer", "id:00001014", "--tpm-model", "swtpm", "--tpm-version",
             "id:20191023")


def run(words: list, what: str) -> str:
    """Output of a command; an error that says what it was for."""
    try:
        result = subprocess.run([str(w) for w in words], env=host_environment(),
                                capture_output=True, text=True, check=False)
    except OSError as error:
        raise KapuError(f"{what}: {error}; run: make packages") from error
    if result.returncode != 0:
        said = (result.stderr or result.stdout).strip()
        raise KapuError(f"{what}: {said or f'status {result.returncode}'}")
    return result.stdout


def start_swtpm(folder: Path, *channels: str) -> None:
    """Start swtpm on a board's state, as a process of its own. The pid file is renamed once it is
    written: swtpm would remove it before it releases the state, and the next user could not wait for that."""
    state, log, new = folder / "tpm", folder / "swtpm.log", folder / "swtpm.pid.new"
    other = read_pid(folder / "swtpm.pid")
    if other:
        raise KapuError(f"the TPM of {folder} is in use by process {other}: another command uses it, or one was killed "
                        f"(kill {other} then)")
    state.mkdir(exist_ok=True)
    log.unlink(missing_ok=True)
    try:
        run(["swtpm", "socket", "--tpm2", "--tpmstate", f"dir={state}", *channels, "--daemon", "--pid",
             f"file={new}", "--log", f"file={log},level=1"], "swtpm does not start")
    except KapuError as error:
        said = log.read_text(errors="replace").strip() if log.exists() else ""
        raise KapuError(f"{error}: {said}" if said else str(error)) from None
    new.rename(folder / "swtpm.pid")


@contextmanager
def served(folder: Path):
    """The TPM of a board that is off, as after a reset, behind a socket for commands: yields the
    socket's path. Clients may come and go; tpm2-tools find the control socket beside it."""
    with tempfile.TemporaryDirectory(prefix="kapu-") as short:  # a socket's path may have 107 characters only
        path, control = Path(short) / "tpm", Path(short) / "tpm.ctrl"
        start_swtpm(folder, "--server", f"type=unixio,path={path}", "--ctrl",
                    f"type=unixio,path={control}", "--flags", "not-need-init")
        try:
            yield path
        finally:
            pid = read_pid(folder / "swtpm.pid")
            if pid:
                end_process(pid)


@functools.cache
def operator_tool() -> Path:
    """The built `kapu` program, of the sources as they were when this process first asked: to digest them for each call
    would take longer than most calls."""
    step = build.operator_step()
    if not step.out.exists():
        step.build(Progress())
    return step.out / "kapu"


def issue_certificate(ek: dict, name: str, folder: Path) -> Path:
    """The endorsement certificate of a TPM, by the checkout's own authority."""
    CA.mkdir(parents=True, exist_ok=True)
    configuration, options = CA / "localca.conf", CA / "localca.options"
    with open(CA / "lock", "w") as lock:  # for the files below too: another reads them meanwhile
        fcntl.flock(lock, fcntl.LOCK_EX)
        configuration.write_text(f"statedir = {CA}\nsigningkey = {CA / 'signkey.pem'}\n"
                                 f"issuercert = {CA / 'issuercert.pem'}\n"
                                 f"certserial = {CA / 'certserial'}\n")
        options.write_text("--platform-manufacturer kapu\n--platform-version 1\n"
                           "--platform-model qemu-virt\n")
        run(["swtpm_localca", "--type", "ek", "--ek",
             f"x={ek['x']},y={ek['y']},id={ek['curve']}", "--dir", folder, "--vmid", name,
             "--configfile", configuration, "--optsfile", options, "--logfile", CA / "log",
             *TPM_FACTS], "the endorsement certificate is not issued")
    return folder / "ek.cert"


def record_options(folder: Path) -> list:
    """What the factory needs to sign a record of the board in that folder."""
    return ["--record", folder / RECORD, "--factory-key", keys.factory_key(), "--platform",
            build.PLATFORM.name]


def provision(folder: Path, identity: str, root_key_hash: str, again: bool = False, firmware: Path | None = None) -> None:
    """The factory step on the board in `folder`, which is off. With a firmware package, the board starts that release
    and no other until its first update."""
    tool = operator_tool()
    with served(folder) as socket:
        ek = json.loads(run([tool, "factory", "ek", "--tpm", socket, "--json"], "factory"))
    with tempfile.TemporaryDirectory(prefix="kapu-") as name, served(folder) as socket:
        certificate = issue_certificate(ek, identity, Path(name))
        run([tool, "factory", "provision", "--tpm", socket, "--fuses", folder / FUSES, "--id",
             identity, "--root-key-hash", root_key_hash, "--ek-certificate", certificate,
             *record_options(folder), *(["--firmware", firmware] if firmware else []),
             *(["--again"] if again else [])], "factory")
        with new_file(folder / "ek.cert") as new:  # of a TPM that was provisioned
            shutil.copy(certificate, new)


def factory_public() -> bytes:
    """The public half of the key that signs board records, as PEM: for operators."""
    key = keys.factory_key()
    if not key.startswith("pkcs11:"):
        return keys.openssl("pkey", "-in", key, "-pubout")
    return run([operator_tool(), "factory", "key", "--factory-key", key], "the factory key").encode()


def upgrade(folder: Path, root_key_hash: str) -> None:
    """The factory step on a board of an earlier release, which is off: it keeps all that it has."""
    tool = operator_tool()
    with served(folder) as socket:
        run([tool, "factory", "upgrade", "--tpm", socket, "--fuses", folder / FUSES,
             "--root-key-hash", root_key_hash, *record_options(folder)], "factory")


def show(folder: Path, as_json: bool) -> str:
    """What the TPM of a board that is off holds."""
    tool = operator_tool()
    with served(folder) as socket:
        return run([tool, "factory", "show", "--tpm", socket, "--fuses", folder / FUSES,
                    *(["--record", folder / RECORD] if (folder / RECORD).exists() else []),
                    *(["--json"] if as_json else [])], folder.name)


def named_release(folder: Path) -> str | None:
    """The release that the board in `folder` starts without a trial, as hexadecimal digits. None: any, or its TPM cannot
    be read, which the board says itself when it starts."""
    try:
        return json.loads(show(folder, True)).get("release")
    except KapuError:
        return None


PCRS = {0: "ROM, BL2, BL31, OP-TEE", 7: "root key that verified them", 8: "Linux",
        9: "device tree, command line, root hash", 14: "cap: set when the boot phase is over"}


def said_at_boot(secure_console: str) -> dict:
    """What the secure world said of the last boot; nothing but the secure world writes there."""
    at = secure_console.rfind("kapu: board ")
    text = secure_console[at:] if at >= 0 else ""
    board = re.search(r"kapu: board (\S+)", text)
    state = re.search(r"kapu: slot ([AB]), (confirmed|on trial); security counter (\d+), "
                      r"of this release (\d+)", text)
    if not board or not state:
        raise KapuError("the secure world has not come up (yet); see secure.log")
    return {"board": board.group(1), "slot": state.group(1).lower(),
            "trial": state.group(2) == "on trial", "security_counter": int(state.group(3)),
            "release_counter": int(state.group(4)),
            "pcrs": dict(re.findall(r"kapu: PCR +(\d+) ([0-9a-f]{64})", text))}


def table(facts: dict) -> str:
    lines = [f"board             {facts['board']}",
             f"security counter  {facts['security_counter']}, of the running release "
             f"{facts['release_counter']}",
             f"boot state        slot {facts['slot'].upper()}, "
             + ("on trial" if facts["trial"] else "confirmed"),
             "", f"PCR  {'value (SHA-256)':<64}  what"]
    lines += [f"{number:>3}  {facts['pcrs'].get(str(number), '?'):<64}  {what}"
              for number, what in PCRS.items()]
    return "\n".join(lines) + "\n"


def burn(fuses: Path, rom: Path) -> None:
    """Put the board's record into the ROM flash's image, as the factory burns it into a chip."""
    record = fuses.read_bytes() if fuses.exists() else b""
    mode = rom.stat().st_mode
    rom.chmod(0o600)
    with open(rom, "r+b") as file:
        file.seek(FUSES_OFFSET)
        file.write(record or bytes(4096))
    rom.chmod(0o400 if record else mode)


def clone(source: Path, folder: Path) -> None:
    """The TPM and record of another board, as they are now: for tests that need many."""
    shutil.copytree(source / "tpm", folder / "tpm")
    shutil.copy(source / FUSES, folder / FUSES)
    if (source / RECORD).exists():
        shutil.copy(source / RECORD, folder / RECORD)
    os.chmod(folder / FUSES, 0o600)
