# SPDX-License-Identifier: Apache-2.0
"""Kind: a file is read only in part, silently; on the gateway, and where a release is built. Policies of programs,
recipes of root images, options of kernels, settings, keys and certificates are read to their last byte, or refused with
file and line. The places come from the source: what opens a file and is not in a table fails here.
"""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

import edges
import native
import rootimage
from kapu import allow, broker, build, fetch, textfile
from kapu.errors import KapuError
from kapu.keys import make_key
from kapu.paths import ROOT

KIND = "read in part"
# What opens files for reading in gateway/ and tools/, and why nothing of these can be taken for a permission.
GATEWAY = {
    "update/main.c": "numbers of the kernel in /proc and /sys", "status/status.c": "the kernel's, to be shown",
    "status/sockets.c": "the kernel's, to be shown", "kernel/probe/init.c": "a test of kernels",
    "link/identity.c": "the authority, by OpenSSL; what is not in it certifies nobody",
    "boot-tool/writer.c": "all of a request, or none; the lab's", "boot-tool/update.c": "the same",
}
TOOLS = {
    "kapu/textfile.py": "the reader itself",
    "kapu/broker.py": "certificates, keys and templates that it made itself", "kapu/build.py": "results of steps",
    "kapu/allow.py": "pages of programs", "kapu/certs.py": "images, to be hashed", "kapu/closure.py": "Python",
    "kapu/curl.py": "a result of a step", "kapu/fetch.py": "JSON, and apt's answers", "kapu/instance.py": "JSON, results",
    "kapu/kernelimage.py": "an image", "kapu/keys.py": "keys that it made itself", "kapu/paths.py": "VERSION",
    "kapu/pairs.py": "apt's answers", "kapu/processes.py": "/proc", "kapu/profile.py": "results, and C that is compiled too",
    "kapu/qemu.py": "logs", "kapu/reference.py": "results", "kapu/releases.py": "a port, logs", "kapu/report.py": "JSON",
    "kapu/steps.py": "inputs, to be hashed", "kapu/tpm.py": "a record with a hash", "kapu/update_keys.py": "CBOR, keys",
    "kapu/updates.py": "results", "kapu/vulnerabilities.py": "JSON, results", "kapu/windows.py": "ELF", "kapu/load.py": "/proc",
    "kapu/btf.py": "a result", "kapu/gdb.py": "a result", "kapu/patchsites.py": "a result", "kapu/symbols.py": "a result",
    "kapu/inputs.py": "inputs", "kapu/commands.py": "logs", "kapu/fip.py": "images", "kapu/sectioned.py": "results",
    "kapu/errors.py": "/dev/null, to write to", "kapu/patience.py": "logs, /proc", "kapu/ending.py": "/proc",
    "kapu/rootkit.py": "a result", "kapu/schedule.py": "/proc", "kapu/tidied.py": "C files to be hashed, and JSON of meson",
    "rootimage.py": "files that are copied, and its own rules again",
}


def test_each_reader_is_known_here():
    with edges.Cases(f"{KIND}: readers of gateway and tools") as cases:
        found = {str(path.relative_to(ROOT / "gateway")) for path in sorted((ROOT / "gateway").rglob("*.c"))
                 if re.search(r'fopen\([^;]*"r|PEM_read|load_file', path.read_text())}
        cases.check(found == set(GATEWAY), f"gateway: {found ^ set(GATEWAY)}")
        opens = re.compile(r"read_text\(|read_bytes\(|\bopen\(|load_pem|splitlines\(")
        tools = [ROOT / "tools/rootimage.py", *sorted((ROOT / "tools/kapu").glob("*.py"))]
        found = {str(path.relative_to(ROOT / "tools")) for path in tools if opens.search(path.read_text())}
        cases.check(found <= set(TOOLS), f"tools: {found - set(TOOLS)}")
        found = {str(path.relative_to(ROOT / "tools")) for path in sorted((ROOT / "tools/sign").glob("*.c"))
                 if re.search(r"fopen|load_file", path.read_text())}
        cases.check(not found, f"tools/sign: {found}")


# ---- what reads them ----

def read_rules(name: str, fields: int):
    def read(path: Path):
        try:
            return list(rootimage.read_rules(str(path), fields))
        except rootimage.RecipeError as error:
            raise KapuError(f"{name}: {error}") from error
    return read


def by_program(program: Path, *words: str):
    def read(path: Path):
        done = subprocess.run([program, *words, path], input=b"data", capture_output=True, check=False)
        if done.returncode != 0:
            assert not done.stdout
            raise KapuError(done.stderr.decode())
        return done.stdout
    return read


def users_of(path: Path):
    tree = path.parent / "tree"
    (tree / "etc").mkdir(parents=True, exist_ok=True)
    shutil.copy(path, tree / "etc/passwd")
    try:
        return allow.read_users(tree)
    except KapuError as error:
        raise KapuError(str(error).replace(str(tree / "etc/passwd"), str(path))) from error


def recipe_of(path: Path):
    folder = path.parent / "recipe"
    folder.mkdir(exist_ok=True)
    shutil.copy(path, folder / "packages")
    try:
        return fetch.recipe_packages(folder)
    except KapuError as error:
        raise KapuError(str(error).replace(str(folder / "packages"), str(path))) from error


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """By name: a good file, what reads it, and whether the same twice is refused."""
    folder = tmp_path_factory.mktemp("places")
    broker.issue(folder, "ca", "an authority")
    broker.issue(folder, "own", "a gateway", "ca")
    make_key(folder / "key.pem")
    both = (folder / "own.pem").read_bytes() + (folder / "ca.pem").read_bytes()
    files, sign = native.programs("tests/support/read_gateway_files", "tools/sign/kapu-sign")
    gateway, kernel = ROOT / "gateway", ROOT / "gateway/kernel"
    found = {
        "gateway settings": ((gateway / "rootfs/files/etc/kapu/operator").read_bytes(), by_program(files, "settings"), True),
        "gateway identity": (both, by_program(files, "identity"), True),
        "kapu-sign sign": ((folder / "key.pem").read_bytes(), by_program(sign, "sign"), True),
        "kapu-sign public": ((folder / "key.pem").read_bytes(), by_program(sign, "public"), True),
        "policy": ((gateway / "policy").read_bytes(), lambda path: allow.Policy([path]), True),
        "policy-lab": ((gateway / "policy-lab").read_bytes(), lambda path: allow.Policy([path]), True),
        "users": ((gateway / "rootfs/files/etc/passwd").read_bytes(), users_of, True),
        "packages, names": ((gateway / "rootfs/packages").read_bytes(), recipe_of, False),
        "command line": ((kernel / "cmdline").read_bytes(), build.settings, True),
        "OP-TEE's options": ((ROOT / "secure/optee/config.mk").read_bytes(), build.settings, True),
        "operator.conf, by brokers": (b"host a # here\ninterval 3\n", broker.read_facts, True),
        "authorities of TPMs": (both, broker.certificates_in, False),
        "authority in the root image": ((folder / "ca.pem").read_bytes(), build.check_authority, False),
    }
    for recipe in ("rootfs", "rootfs-lab"):
        for name, fields in (("packages", 2), ("keep", 3), ("layout", 3)):
            found[f"{recipe}/{name}"] = ((gateway / recipe / name).read_bytes(), read_rules(name, fields), True)
    for fragment in build.kernel_fragments("lab"):
        found[fragment.name] = (fragment.read_bytes(), build.check_fragment, True)
    return found


def test_each_file_is_read_to_its_last_byte_or_refused(places, tmp_path):
    path = tmp_path / "file"
    with edges.Cases(f"{KIND}: gateway and tools") as cases:
        for name, (good, read, repeated) in places.items():
            bad = edges.damaged(good, True, b"-----BEGIN" in good)
            bad["zero width space"] = good.rstrip(b"\n") + "\u200b\n".encode()
            for what, data in [("good", good), *bad.items(), ("the same again", good + good), ("good after it", good)]:
                path.write_bytes(data)
                wanted = not what.startswith("good") and not (what == "the same again" and not repeated)
                try:
                    read(path)
                    said = None
                except KapuError as error:
                    said = str(error)
                where = said is not None and str(path) in said or "policy" in name and f"{path.name}, line" in (said or "")
                cases.check((said is not None and where) if wanted else said is None, f"{name}, {what}: {said}")


BAD_POLICIES = {  # what could be taken for a permission
    "section without content": "[state]\nlockdown = none\n[program /x]\n",
    "section cut off at the end": "[program /x]\nusers = root\n[state]\n",
    "the same section again": "[program /x]\nusers = root\n[program /x]\ncapabilities = all\n",
    "the same setting again": "[program /x]\nusers = root\nusers = 0-65535\n",
    "a name that looks alike": "[program /x]\nuser\u0455 = root\n",
    "a setting before a section": "users = root\n[program /x]\nusers = root\n",
    "value empty": "[program /x]\nusers = root\ncapabilities =\n",
}


def test_a_policy_with_less_than_it_seems_allows_nothing(tmp_path):
    path = tmp_path / "policy"
    with edges.Cases(f"{KIND}: policies") as cases:
        path.write_text("[state]\nlockdown = none\n[program /x]\nusers = root\n")
        cases.check(allow.Policy([path]).programs == {"/x": {"users": "root"}}, "control")
        for what, text in BAD_POLICIES.items():
            path.write_text(text)
            with pytest.raises(KapuError, match="policy, line") as error:
                allow.Policy([path])
            cases.check(bool(error.value.args), what)
        other = tmp_path / "other"
        other.mkdir()
        (other / "policy").write_text("[program /x]\nusers = daemon\n")
        path.write_text("[program /x]\nusers = root\n")
        cases.check(allow.Policy([path, other / "policy"]).programs["/x"] == {"users": "daemon"},
                    "a later policy of the same name replaces, as one of another name does")


def test_a_user_is_there_once_and_has_a_number(tmp_path):
    (tmp_path / "etc").mkdir()
    path = tmp_path / "etc/passwd"
    with edges.Cases(f"{KIND}: users") as cases:
        path.write_text("root:x:0:0::/:/\n")
        cases.check(allow.read_users(tmp_path) == {"root": 0}, "control")
        for text in ("root:x:0:0::/:/\nroot:x:7:7::/:/\n", "root:x:0\n", "root:x::0::/:/\n", "root:x:4294967295:0::/:/\n",
                     ":x:0:0::/:/\n"):
            path.write_text(text)
            with pytest.raises(KapuError, match="line [12]") as error:
                allow.read_users(tmp_path)
            cases.check(bool(error.value.args), text)


@pytest.mark.parametrize("text, told", [
    ("CONFIG_A=y\nCONFIG_A=n\n", "line 2: CONFIG_A is there twice"), ("CONFIG_A=y\n# CONFIG_A is not set\n", "line 2"),
    ("CONFIG_A = y\n", "line 1: neither"), ("CONFIG_A is not set\n", "line 1"), ("# CONFIG_A is not se\n", "line 1"),
    ("#CONFIG_A=y\n", "line 1"), ("# nothing\n", "says nothing")])
def test_an_option_of_a_kernel_that_would_be_passed_over_is_refused(tmp_path, text, told):
    path = tmp_path / "x.config"
    path.write_text("# of a test\n\nCONFIG_A=y\n# CONFIG_B is not set\n")
    build.check_fragment(path)
    path.write_text(text)
    with pytest.raises(KapuError, match=told):
        build.check_fragment(path)


def test_blocks_of_pem_are_read_as_kapu_reads_them(tmp_path):
    """textfile.pem and operator/files/pem.c: the same files are good, the same refused."""
    broker.issue(tmp_path, "one", "maker one")
    one = (tmp_path / "one.pem").read_text()
    body = one.splitlines()[1]
    lines = one.splitlines(keepends=True)
    good = {"one": (one, 1), "joined": (one.rstrip() + one, 2), "explained": ("# of the maker\n" + one + "end\n", 1),
            "carriage returns and line feeds": (one.replace("\n", "\r\n"), 1), "no line feed at the end": (one.rstrip(), 1)}
    bad = {"mark damaged": one.replace("-----END", "----END"), "other end": one.replace("END CERTIFICATE", "END X509 CRL"),
           "begun twice": one.replace(body, lines[0] + body, 1), "no end": "".join(lines[:-1]),
           "no beginning": "".join(lines[1:]), "header": one.replace(body, "Proc-Type: 4,ENCRYPTED\n" + body, 1),
           "base64 outside": one + body + "\n", "something after the end": one.rstrip() + " x\n",
           "digit missing": one.replace(body, body[1:], 1), "nothing": "no certificate\n"}
    path = tmp_path / "file"
    with edges.Cases(f"{KIND}: PEM") as cases:
        for what, (text, n) in good.items():
            path.write_text(text, newline="")
            cases.check(len(textfile.pem(path)) == n, what)
        for what, text in bad.items():
            path.write_text(text)
            with pytest.raises(KapuError, match=re.escape(str(path))) as error:
                textfile.pem(path)
            cases.check(bool(error.value.args), what)
