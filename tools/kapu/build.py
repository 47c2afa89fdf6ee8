# SPDX-License-Identifier: Apache-2.0
"""The steps from pinned sources to a gateway's images, and how they hang together.

    fetch -> packages, programs -> root image -> device tree (has the root hash)
             linux -> kernel profile --+-> trusted applications -> optee --+
             root image -> allow-list -+   (with optee-base)               |
             tf-a, linux, device tree -------------------------------------+-> firmware, reference values
"""

import functools
import hashlib
import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from . import allow, certs, curl, fetch, kernelimage, profile, reference, symbols, textfile, windows
from .errors import KapuError
from .keys import (EC_ROLES, KeySet, REFERENCE_ROLE, development_folder, key_set, operator_ca,
                   reference_public)
from .paths import BUILD, ROOT, host_environment, version
from .steps import Progress, Step
from .update_keys import UPDATE_ROLES, first_set, first_sets_identity

PLATFORM = ROOT / "platform" / "qemu-virt"
FLAVOURS = ("gateway", "lab")
# OP-TEE's own PKCS#11 TA is in the lab flavour, and in the other one for an integrator who asks for it.
PKCS11_OPTION = "KAPU_PKCS11_TA=y"
PKCS11_TA = "fd02c9da-306c-48c7-a49c-bbd827ae86ee"
UPDATE_TA = "ec82e187-ef6d-45e4-8e57-481ac8765bce"  # UPDATE_TA_UUID of wire/update_ta.h
VAULT_TA = "3fdffdb5-2ea0-45ca-be12-8d0f0116bcc0"  # VAULT_TA_UUID of wire/vault_ta.h
MONITOR_TA = "4c7a9b3e-61f0-4b7c-8d21-5e90d4a60f13"  # MONITOR_TA_UUID of wire/monitor_ta.h
ATTEST_TA = "9d5f2c14-0b7e-4a63-b158-33e26f904dca"  # ATTEST_TA_UUID of wire/attest_ta.h
# Trusted applications travel inside OP-TEE's image; none is loaded from elsewhere. Ours: folder of
# secure/ta -> what of lib/ is in it.
TA_LIBRARIES = {"monitor": ("base", "introspect", "cbor", "evidence"),
                "attest": ("base", "cbor", "evidence", "update", "vault"),
                "vault": ("base", "vault"),
                "update": ("base", "bootstate", "cbor", "evidence", "release", "update")}
TA_UUIDS = {"monitor": MONITOR_TA, "attest": ATTEST_TA, "update": UPDATE_TA, "vault": VAULT_TA}
DEBUG_STATUS = {"gateway": "EVIDENCE_DEBUG_DISABLED_SINCE_BOOT", "lab": "EVIDENCE_DEBUG_ENABLED"}

# of lib/, in BL1 and BL2
FIRMWARE_LIBRARIES = ("base", "fip", "tis", "tpm2", "eventlog", "bootstate", "fusebox")

FIRMWARE_WIRE = ("handover.h", "el3_service.h")  # of wire/, the same

# Image of the chain of trust -> fiptool option.
FIP_IMAGES = {"bl2": "tb-fw", "bl31": "soc-fw", "optee": "tos-fw", "linux": "nt-fw",
              "device-tree": "nt-fw-config"}
UPDATE_GROUP = "all"  # of rollouts: every gateway is in it
COMMAND_LINE_MAX = 2048  # COMMAND_LINE_SIZE of Linux on arm64
ROM_SIZE = 128 * 1024   # BL1's part of flash 0 (SEC_ROM_SIZE of the platform)
FLASH_SIZE = 64 << 20   # QEMU virt has two flashes of this size
SLOT_SIZE = 32 << 20    # KAPU_SLOT_SIZE of the platform
SECURITY_COUNTER_MAX = 4095  # FUSEBOX_RAISE_MAX of kapu/fusebox.h


def settings(path: Path, least: int = 1) -> list[str]:
    """Lines of a configuration file, comments left out."""
    found: list[str] = []
    names: dict[str, int] = {}
    for number, line in textfile.rules(path, least):
        name = line.partition("=")[0]
        if name in names:
            raise KapuError(f"{path}, line {number}: '{name}' is there twice, first in line {names[name]}")
        names[name] = number
        found.append(line)
    return found


@functools.cache
def compiler_version(*command: str) -> str:
    result = subprocess.run(command, env=host_environment(), capture_output=True, text=True,
                            check=False)
    if result.returncode != 0:
        raise KapuError(f"{command[0]} does not run; is it installed? (make packages)")
    return result.stdout.splitlines()[0]


def package_version(name: str) -> str:
    """Version of a host package whose tool a step uses."""
    return compiler_version("dpkg-query", "-W", "-f", "${Version}\\n", name)


def unpack_source(step: Step, name: str, out: Path) -> Path:
    """Unpack a Debian source package with Debian's patches. Its hash is the pinned one; apt verified
    the signature when it was pinned and fetched."""
    tree = out / name
    package = out / f"{name}.package"
    package.mkdir()
    for file in fetch.files_of(name):
        (package / file.name).symlink_to(file)
    step.run("dpkg-source", "--no-check", "-x", next(package.glob("*.dsc")), tree)
    shutil.rmtree(package)
    for patch in sorted((ROOT / "third_party" / name).glob("*.patch")):
        step.run("patch", "-d", tree, "-p1", "-i", patch)
    return tree


# ---- QCBOR ------------------------------------------------------------------------------------

def build_qcbor(step: Step, out: Path) -> None:
    """The CBOR library that OP-TEE's package carries, for our programs on the host and in the TEE."""
    tree = unpack_source(step, "optee-os", out)
    for name in ("inc", "src", "LICENSE"):
        (tree / "core/lib/qcbor" / name).rename(out / name)
    shutil.rmtree(tree)


def qcbor_step() -> Step:
    return Step("qcbor", build_qcbor, shared=True, files=third_party("optee-os"),
                values=[fetch.identity("optee-os")])


# ---- libcurl ----------------------------------------------------------------------------------

def make_curl(step: Step, out: Path, make) -> None:
    tree = unpack_source(step, "curl", out)
    make(step, tree, out)
    shutil.rmtree(tree)
    for copy in out.glob("*.orig.tar.*"):  # dpkg-source left it
        copy.unlink()


def build_curl(step: Step, out: Path) -> None:
    """What the gateway's writer of updates fetches with."""
    make_curl(step, out, curl.make_gateways)


def curl_step() -> Step:
    return Step("curl", build_curl, shared=True, files=third_party("curl"),
                values=[compiler_version("aarch64-linux-gnu-gcc", "--version"), fetch.identity("curl")])


def build_checked_curl(step: Step, out: Path) -> None:
    """The same for this host and with sanitizers, for tests."""
    make_curl(step, out, curl.make_checked)


def checked_curl_step() -> Step:
    return Step("curl-checked", build_checked_curl, shared=True, files=third_party("curl"),
                values=[compiler_version("gcc", "--version"), fetch.identity("curl")])


# ---- OP-TEE -----------------------------------------------------------------------------------

# Ours in OP-TEE's core, besides the platform's part: name below kapu/ -> folder of the checkout (no
# absolute path: this is part of the step's key).
OPTEE_LIBRARIES = ("base", "tis", "tpm2", "eventlog", "bootstate", "fusebox",
                   "nvbudget", "lastwords")  # of lib/sub.mk
OPTEE_FOLDERS = {"core": "secure/core", "pta": "secure/pta", "wire": "wire", "lib/update/include": "lib/update/include",
                 **{f"lib/{name}": f"lib/{name}" for name in OPTEE_LIBRARIES}}


def optee_make(step: Step, tree: Path, *more: str) -> None:
    step.run("make", "-j2", "PLATFORM=vexpress-qemu_armv8a", "CROSS_COMPILE=aarch64-linux-gnu-",
             "CROSS_COMPILE64=aarch64-linux-gnu-", "PYTHON3=/usr/bin/python3", "O=out",
             *settings(ROOT / "secure" / "optee" / "config.mk"),
             "CFG_OPTEE_CONFIG=kapu/platform/optee.mk",
             f"TEE_IMPL_VERSION={fetch.locked('optee-os')['version']}",
             "BUILD_DATE=2026-01-01", "V=1", *more, cwd=tree)


def build_optee_base(step: Step, out: Path) -> None:
    """OP-TEE without our trusted applications: nearly all of the work, and cacheable."""
    tree = unpack_source(step, "optee-os", out)
    shutil.copytree(PLATFORM / "optee", tree / "kapu/platform")
    for name, folder in OPTEE_FOLDERS.items():
        shutil.copytree(ROOT / folder, tree / "kapu" / name)
    shutil.copy(ROOT / "lib" / "sub.mk", tree / "kapu/lib")
    for script in (tree / "scripts").glob("*.py"):
        script.chmod(0o755)
    optee_make(step, tree)


def ta_tree(base: Path, out: Path, name: str) -> Path:
    """secure/ta/NAME with what it is made of."""
    work = out / name
    shutil.copytree(ROOT / "secure/ta" / name, work)
    shutil.copytree(ROOT / "wire", work / "wire")
    shutil.copytree(ROOT / "secure/ta/common", work / "common")
    for library in TA_LIBRARIES[name]:
        shutil.copytree(ROOT / "lib" / library, work / "lib" / library)
    shutil.copytree(base / "core/lib/qcbor", work / "qcbor")
    return work


def add_to_monitor(step: Step, base: Path, work: Path) -> None:
    """The profile of this kernel and the allow-list of this root image."""
    _, kernel_profile, allow_list = (need.out for need in step.needs)
    shutil.copy(base / "core/arch/arm/crypto/sha256_armv8a_ce_a64.S", work)
    shutil.copy(ROOT / "secure/core/sha256_blocks.h", work)
    shutil.copy(kernel_profile / "kernel.profile", work)
    shutil.copy(allow_list / "allow.list", work)
    shutil.copy(allow_list / "reaction.h", work)


def add_to_attest(step: Step, base: Path, work: Path) -> None:
    """Which release this is."""
    (work / "release.h").write_text(f'#define RELEASE_VERSION "{step.values[1]}"\n'
                                    f"#define RELEASE_DEBUG {DEBUG_STATUS[step.values[0]]}\n")


def c_array(name: str, data: bytes) -> str:
    return f"static const uint8_t {name}[] = {{{', '.join(map(str, data))}}};\n"


def add_to_update(step: Step, work: Path) -> None:
    """What this gateway is, and whose signatures it believes first."""
    (work / "first_keys.h").write_text(
        "/* Made by tools/kapu/build.py. */\n#include <stdint.h>\n"
        f'#define RELEASE_HARDWARE "{PLATFORM.name}"\n#define RELEASE_PRODUCT "{step.values[0]}"\n'
        f'#define UPDATE_GROUP "{UPDATE_GROUP}"\n'
        + "".join(c_array(f"first_{role}_keys", first_set(role)) for role in UPDATE_ROLES))


def build_ta(step: Step, out: Path, base: Path, name: str) -> Path:
    """A trusted application of ours, with the development kit that OP-TEE's build left. Nothing
    signs it: it is part of an image that is signed and measured."""
    work = ta_tree(base, out, name)
    if name == "monitor":
        add_to_monitor(step, base, work)
    elif name == "attest":
        add_to_attest(step, base, work)
    elif name == "update":
        add_to_update(step, work)
    elf = f"out/{TA_UUIDS[name]}.stripped.elf"
    step.run("make", "-C", work, "CROSS_COMPILE=aarch64-linux-gnu-", "PYTHON3=/usr/bin/python3",
             f"TA_DEV_KIT_DIR={base / 'out/export-ta_arm64'}", "O=out", elf)
    return work / elf


def build_optee(step: Step, out: Path) -> None:
    """Link the trusted applications of a flavour into OP-TEE."""
    base = step.needs[0].out / "optee-os"
    tree = out / "optee-os"
    step.run("cp", "-a", base, tree)
    if step.overlay:
        shutil.copytree(step.overlay / "optee", tree / "kapu", dirs_exist_ok=True,
                        copy_function=shutil.copy)  # newer than what was built
    for patch in (file for file in step.files if file.suffix == ".patch"):
        step.run("patch", "-d", tree / "kapu", "-p1", "-i", patch)  # a test's, to weaken ours
    elf = {name: build_ta(step, out, base, name) for name in TA_UUIDS}
    paths = list(elf.values())
    if PKCS11_OPTION in step.values:
        paths.append(base / f"out/ta/pkcs11/{PKCS11_TA}.stripped.elf")
    optee_make(step, tree, f"EARLY_TA_PATHS={' '.join(map(str, paths))}", *step.values[3:])
    shutil.copy(tree / "out/core/tee-raw.bin", out / "optee.bin")
    shutil.copy(tree / "out/core/tee.elf", out / "optee.elf")
    shutil.copy(tree / "out/conf.mk", out / "optee.conf")
    shutil.copy(elf["monitor"], out / "monitor.elf")
    shutil.rmtree(tree)
    for name in TA_UUIDS:
        shutil.rmtree(out / name)


# ---- Trusted Firmware-A -----------------------------------------------------------------------

def root_key_header(public: bytes) -> str:
    digest = hashlib.sha256(public).digest()
    return "#define ROOT_KEY_HASH " + ", ".join(f"0x{b:02x}" for b in digest) + "\n"


def build_tfa(step: Step, out: Path) -> None:
    """BL1, BL2 and BL31 with our platform and libraries added, and the root key's hash inside."""
    native = step.needs[0].out
    tree = unpack_source(step, "arm-trusted-firmware", out)
    mbedtls = unpack_source(step, "mbedtls", out)
    for patch in (file for file in step.files if file.suffix == ".patch"):
        step.run("patch", "-d", tree, "-p1", "-i", patch)  # a test's, to take something out
    added = tree / "plat" / "kapu"
    shutil.copytree(PLATFORM / "tf-a", added / "kapu_qemu_virt")
    shutil.copytree(ROOT / "boot" / "tf-a", added / "boot")
    for library in FIRMWARE_LIBRARIES:
        shutil.copytree(ROOT / "lib" / library, added / "lib" / library)
    (added / "wire").mkdir()
    for name in FIRMWARE_WIRE:
        shutil.copy(ROOT / "wire" / name, added / "wire")
    if step.overlay:
        shutil.copytree(step.overlay / "tf-a", added, dirs_exist_ok=True)
    public = certs.Signer(native / "kapu-sign", key_set()).public_der("root")
    (added / "boot" / "root_key_hash.h").write_text(root_key_header(public))
    (out / "root-key.sha256").write_text(hashlib.sha256(public).hexdigest() + "\n")
    step.run("make", "-j2", "PLAT=kapu_qemu_virt", "CROSS_COMPILE=aarch64-linux-gnu-", "DEBUG=0",
             "LOG_LEVEL=20", "E=0",  # mbedTLS 3.6 has redundant declarations that TF-A warns of
             "TRUSTED_BOARD_BOOT=1", "KEY_ALG=ecdsa", "KEY_SIZE=256", "HASH_ALG=sha256",
             "SPD=opteed", "ENABLE_SVE_FOR_NS=0", "ENABLE_SME_FOR_NS=0", f"MBEDTLS_DIR={mbedtls}",
             f'BUILD_MESSAGE_TIMESTAMP="kapu {version()}"', "BUILD_STRING=kapu",
             "bl1", "bl2", "bl31", "fiptool", cwd=tree)
    for line in step.log_path.read_text(errors="replace").splitlines():
        if re.match(r"plat/kapu/\S+: (warning|error)", line):
            raise KapuError(f"our own code must build without warnings: {line}")
    built = tree / "build" / "kapu_qemu_virt" / "release"
    for name in ("bl1", "bl2", "bl31"):
        shutil.copy(built / f"{name}.bin", out)
        shutil.copy(built / name / f"{name}.elf", out)
    windows.prove(out)
    shutil.copy(tree / "tools" / "fiptool" / "fiptool", out)
    shutil.rmtree(tree)
    shutil.rmtree(mbedtls)


# ---- Linux ------------------------------------------------------------------------------------

def kernel_fragments(flavour: str) -> list[Path]:
    names = ["base", "hardening", "qemu-virt"] + (["lab"] if flavour == "lab" else [])
    return [ROOT / "gateway" / "kernel" / f"{name}.config" for name in names]


OPTION = re.compile(r"(?:(CONFIG_\w+)=\S.*|# (CONFIG_\w+) is not set)", re.ASCII)


def check_fragment(path: Path) -> None:
    """The kernel's own merging passes over what it does not know, and takes the last of two; so does configure.sh."""
    seen: dict[str, int] = {}
    for number, line in textfile.text_lines(path):
        option = OPTION.fullmatch(line)
        if option is None and line.strip() and (not line.startswith("#") or re.match(r"#\s*CONFIG_", line)):
            raise KapuError(f"{path}, line {number}: neither CONFIG_NAME=VALUE, '# CONFIG_NAME is not set' nor a comment")
        name = option and (option[1] or option[2])
        if name in seen:
            raise KapuError(f"{path}, line {number}: {name} is there twice, first in line {seen[name]}")
        if name:
            seen[name] = number
    if not seen:
        raise KapuError(f"{path}: says nothing: it has no option")


KERNEL_ENVIRONMENT = {
    "ARCH": "arm64", "LLVM": "-16", "HOSTCC": "gcc", "HOSTCXX": "g++",
    "KBUILD_BUILD_TIMESTAMP": "2026-01-01 00:00:00 UTC", "KBUILD_BUILD_USER": "kapu",
    "KBUILD_BUILD_HOST": "kapu", "KBUILD_BUILD_VERSION": "1",
    "KAPU_RANDSTRUCT_SEED": "development",
}


def build_linux(step: Step, out: Path) -> None:
    """Linux from Debian's source, configured by our fragments only."""
    flavour = step.values[0]
    work = out / "work"
    package, tree, objects = work / "package", work / "source", work / "objects"
    work.mkdir()
    step.run("dpkg-deb", "-x", fetch.file_of("linux-source-6.12"), package)
    tree.mkdir(parents=True)
    tarball = next((package / "usr" / "src").glob("linux-source-*.tar.xz"))
    step.run("tar", "-xf", tarball, "-C", tree, "--strip-components=1")
    shutil.rmtree(package)
    kernel = ROOT / "gateway" / "kernel"
    step.run(kernel / "configure.sh", tree, objects, *kernel_fragments(flavour),
             env=KERNEL_ENVIRONMENT)
    maps = f"-ffile-prefix-map={tree}=linux -ffile-prefix-map={objects}=build"
    step.run("make", "-j2", "-C", tree, f"O={objects}", f"KCFLAGS={maps}", f"KAFLAGS={maps}",
             f"gen-randstruct-seed={kernel / 'randstruct-seed.sh'}",
             "Image", *(["modules"] if flavour == "lab" else []), env=KERNEL_ENVIRONMENT)
    shutil.copy(objects / "arch/arm64/boot/Image", out)
    for name in ("vmlinux", "System.map", ".config"):
        shutil.copy(objects / name, out / name.lstrip("."))
    # Structure layouts for tools; the kernel itself carries none (docs/hardening.md).
    step.run("pahole", f"--btf_encode_detached={out / 'vmlinux.btf'}", out / "vmlinux")
    if flavour == "lab":
        # What is needed to build modules against this kernel, without its source. Equal names of
        # both compilers keep the script from making the host programs anew, and a new seed.
        step.run("sh", tree / "scripts/package/install-extmod-build", out / "headers", cwd=objects,
                 env=KERNEL_ENVIRONMENT | {"srctree": str(tree), "SRCARCH": "arm64", "CC": "gcc",
                                           "HOSTCC": "gcc", "MAKE": "make"})
    shutil.rmtree(work)


def build_profile(step: Step, out: Path) -> None:
    """What the monitor has to know of this kernel; fails when the kernel lacks any of it."""
    profile.write_profile(step.needs[0].out, out / "kernel.profile")


def policies(flavour: str) -> list[Path]:
    names = ["policy"] + (["policy-lab"] if flavour == "lab" else [])
    return [ROOT / "gateway" / name for name in names]


def build_allow_list(step: Step, out: Path) -> None:
    """What the root image may run: the code in it, and what the policy says of its programs."""
    root, kernel_profile = (need.out for need in step.needs)
    policy = allow.Policy(policies(step.values[0]))
    data = allow.make_allow_list(root / "tree", policy, json.loads((root / "root.json").read_text())["root_hash"],
                                 (kernel_profile / "kernel.profile").read_bytes())
    (out / "allow.list").write_bytes(data)
    (out / "reaction.h").write_text(f"#define REACTION_RESET_S {allow.reset_seconds(policy)}u\n")


# ---- Programs, root image, device tree, firmware ------------------------------------------------

def meson_build(step: Step, out: Path, *options: str, targets=()) -> Path:
    folder = out / "meson"
    # the tests' compiler cache would make two builds one that are to be compared
    step.run("meson", "setup", *options, folder, ROOT, env={"CCACHE_DISABLE": "1"})
    step.run("ninja", "-C", folder, *targets, env={"CCACHE_DISABLE": "1"})
    used = subprocess.run(["ninja", "-C", folder, "-t", "deps"], env=host_environment(), check=True,
                          capture_output=True, text=True).stdout
    for line in used.splitlines():  # what the compiler has read is an input of the step
        if line.startswith("    "):
            step.reads(folder / line.strip())
    return folder


def build_native(step: Step, out: Path) -> None:
    """Tools that the build itself runs."""
    folder = meson_build(step, out, "-Dbuildtype=release", "-Dqcbor=none",
                         targets=["tools/sign/kapu-sign"])
    shutil.copy(folder / "tools/sign/kapu-sign", out)
    shutil.rmtree(folder)


def build_operator(step: Step, out: Path) -> None:
    """The operator's programs, for this host."""
    folder = meson_build(step, out, "-Dbuildtype=release", f"-Dqcbor={step.needs[0].out}",
                         targets=["operator/kapu/kapu"])
    shutil.copy(folder / "operator/kapu/kapu", out)
    shutil.rmtree(folder)


SYSROOT_PACKAGES = ("libssl-dev", "libssl3t64", "libmosquitto-dev", "libmosquitto1",
                    "libzstd-dev", "libzstd1")


def build_sysroot(step: Step, out: Path) -> None:
    """Headers and shared libraries of the root image that our programs are linked with."""
    for name in SYSROOT_PACKAGES:
        step.run("dpkg-deb", "-x", fetch.file_of(name), out)


def sysroot_step() -> Step:
    return Step("sysroot", build_sysroot, shared=True,
                values=[fetch.identity(name) for name in SYSROOT_PACKAGES])


PROGRAM_FOLDERS = ("tee", "attest", "status", "agent", "link", "vault", "boot-tool", "lab-channel", "settings", "update")


def build_programs(step: Step, out: Path) -> None:
    """Our programs of the root image."""
    qcbor, sysroot, libcurl = (need.out for need in step.needs)
    programs = ("gateway/status/kapu-status", "gateway/agent/kapu-agent",
                "gateway/link/kapu-link", "gateway/boot-tool/kapu-boot",
                "gateway/lab-channel/kapu-lab-channel", "gateway/update/kapu-update")
    folder = meson_build(step, out, "--cross-file", str(PLATFORM / "arm64.cross"),
                         "-Dbuildtype=release", f"-Dqcbor={qcbor}", f"-Dsysroot={sysroot}",
                         f"-Dcurl={libcurl}", targets=programs)
    for program in programs:
        step.run("aarch64-linux-gnu-strip", "-o", out / Path(program).name, folder / program)
    shutil.rmtree(folder)


def recipes(flavour: str) -> list[Path]:
    names = ["rootfs"] + (["rootfs-lab"] if flavour == "lab" else [])
    return [ROOT / "gateway" / name for name in names]


def recipe_debs(flavour: str) -> list[str]:
    return [name for recipe in recipes(flavour) for name in fetch.recipe_packages(recipe)]


def build_root(step: Step, out: Path) -> None:
    """The root image with its hash tree, from packages, recipe files and our programs."""
    make_root(step, out, [file for name in recipe_debs(step.values[0]) for file in fetch.files_of(name)])


def check_authority(path: Path) -> None:
    """A gateway believes whom each certificate in it certified, so it must be what it seems to be."""
    for line, label, _ in textfile.pem(path):
        if label != "CERTIFICATE":
            raise KapuError(f"{path}, line {line}: a block that is not a certificate")


def make_root(step: Step, out: Path, packages: list[Path]) -> None:
    """Of these packages. The step's values begin with flavour and version; it needs our programs."""
    flavour = step.values[0]
    programs = step.needs[0].out
    check_authority(operator_ca())
    debs = out / "debs"
    debs.mkdir()
    for file in packages:
        (debs / file.name).symlink_to(file)
    added = [*(f"{programs / name}:/usr/bin/{name}:0755"
               for name in ("kapu-status", "kapu-agent", "kapu-link", "kapu-update")),
             f"{operator_ca()}:/etc/kapu/operator-ca.pem:0444",
             f"{ROOT / 'gateway/kernel/sysctl.conf'}:/usr/lib/sysctl.d/50-kapu.conf:0444"]
    if flavour == "lab":
        added += [f"{programs / name}:/usr/bin/{name}:0755" for name in ("kapu-boot", "kapu-lab-channel")]
    command = ["/usr/bin/python3", ROOT / "tools/rootimage.py"]
    for recipe in recipes(flavour):
        command += ["--recipe", recipe]
    for add in added:
        command += ["--add", add]
    step.run(*command, "--debs", debs, "--version", step.values[1], "--out", out / "root.img",
             "--info", out / "root.json", "--tree", out / "tree")
    shutil.rmtree(debs)


def kernel_command_line(flavour: str, root: dict, slot: str) -> str:
    """What the signed device tree tells Linux: console, verified root, hardening parameters."""
    create = root["dm_create"].replace("@DEVICE@", f"PARTLABEL=kapu-root-{slot}")
    words = ["console=ttyAMA0", f'dm-mod.create="{create}"', "root=/dev/dm-0", "rootfstype=erofs", f"kapu.slot={slot}"]
    words += settings(ROOT / "gateway" / "kernel" / "cmdline")
    if flavour == "lab":
        words += settings(ROOT / "gateway" / "kernel" / "cmdline-lab", least=0)  # what it adds, if anything
    line = " ".join(words)
    if len(line) >= COMMAND_LINE_MAX:
        raise KapuError(f"the kernel command line has {len(line)} characters, "
                        f"Linux takes {COMMAND_LINE_MAX - 1}")
    return line


def build_device_tree(step: Step, out: Path) -> None:
    root = json.loads((step.needs[0].out / "root.json").read_text())
    text = (PLATFORM / "dts" / "gateway.dts.in").read_text()
    for slot in "ab":
        line = kernel_command_line(step.values[0], root, slot)
        text = text.replace(f'"@BOOTARGS_{slot.upper()}@"', '"' + line.replace('"', '\\"') + '"')
        (out / f"cmdline-{slot}").write_text(line + "\n")
    (out / "gateway.dts").write_text(text)
    step.run("dtc", "-I", "dts", "-O", "dtb", "-o", out / "gateway.dtb", out / "gateway.dts")


def make_package(out: Path, images: dict[str, Path], counter: int, signer: certs.Signer,
                 fiptool: Path) -> Path:
    """Certificates for these images, and one package of both. Tests make bad packages with it."""
    out.mkdir(parents=True, exist_ok=True)
    chain = certs.make_chain(out, images, counter, signer)
    command = [str(fiptool), "create"]
    for image, option in FIP_IMAGES.items():
        command += [f"--{option}", str(images[image])]
    for option, file in chain.items():
        command += [f"--{option}", str(file)]
    package = out / "firmware.fip"
    result = subprocess.run(command + [str(package)], env=host_environment(), capture_output=True,
                            text=True, check=False)
    if result.returncode != 0:
        raise KapuError(f"fiptool: {result.stderr.strip()}")
    if package.stat().st_size > SLOT_SIZE:
        raise KapuError(f"the firmware image is {package.stat().st_size} bytes, "
                        f"a slot has {SLOT_SIZE}")
    return package


def build_firmware(step: Step, out: Path) -> None:
    native, tfa, optee, linux, tree = (need.out for need in step.needs)
    images = {"bl2": tfa / "bl2.bin", "bl31": tfa / "bl31.bin", "optee": optee / "optee.bin",
              "linux": linux / "Image", "device-tree": tree / "gateway.dtb"}
    make_package(out, images, int(step.values[0]), certs.Signer(native / "kapu-sign", key_set()),
                 tfa / "fiptool")
    rom = (tfa / "bl1.bin").read_bytes()
    if len(rom) > ROM_SIZE:
        raise KapuError(f"BL1 has {len(rom)} bytes, the ROM {ROM_SIZE}")
    (out / "rom.img").write_bytes(rom)


def build_reference(step: Step, out: Path) -> None:
    """What a verifier must know of this release, and the key by which it believes that."""
    native, tfa, optee, linux, tree = (need.out for need in step.needs)
    kernel = kernelimage.load(linux / "vmlinux")
    content = reference.encode(PLATFORM.name, [reference.release(
        step.values[1], step.values[0], int(step.values[2]), reference.pcrs(tfa, optee, linux, tree),
        symbols.packed(kernel.end, symbols.symbols_of(kernel)))])
    signer = certs.Signer(native / "kapu-sign", key_set())
    (out / "reference.cbor").write_bytes(reference.sign(content, signer))
    (out / "reference-key.pem").write_bytes(reference_public())


def security_counter() -> int:
    """Rises with a release that closes a hole which older releases must not reopen."""
    text = (ROOT / "SECURITY_COUNTER").read_text().strip()
    if not text.isdigit() or int(text) > SECURITY_COUNTER_MAX:
        raise KapuError(f"SECURITY_COUNTER says '{text}'; it is a number from 0 to "
                        f"{SECURITY_COUNTER_MAX}: a board's TPM counts in single steps, and "
                        "refuses to confirm a release that is further away")
    return int(text)


# ---- The whole --------------------------------------------------------------------------------

@dataclass
class Release:
    """The steps of one flavour; after build() their results are in STEP.out."""
    flavour: str
    version: str
    counter: int
    native: Step
    tfa: Step
    optee: Step
    linux: Step
    root: Step
    device_tree: Step
    firmware: Step
    profile: Step
    allow: Step
    operator: Step
    reference: Step
    curl: Step

    def build(self, say: Progress) -> None:
        for step in (self.firmware, self.profile, self.allow, self.operator, self.reference):
            step.build(say)


def public_identity(keys: KeySet, role: str, native: Step | None = None) -> str:
    """Changes with the key: the file's content, or the public key that a token has now."""
    name = keys[role]
    if native is not None and keys.is_token(role):
        native.build(Progress())
        return certs.Signer(native.out / "kapu-sign", keys).public_der(role).hex()
    return hashlib.sha256(Path(name).read_bytes()).hexdigest()


def third_party(name: str) -> list[Path]:
    """Our patches to a source, as an input of its step."""
    folder = ROOT / "third_party" / name
    return [folder] if folder.exists() else []


def tfa_step(name: str, native: Step, *patches: Path, overlay: Path | None = None) -> Step:
    keys = key_set()
    return Step(name, build_tfa, needs=[native], shared=True, overlay=overlay,
                files=[PLATFORM / "tf-a", ROOT / "boot/tf-a", ROOT / "VERSION",
                       *(ROOT / "wire" / name for name in FIRMWARE_WIRE),
                       *(ROOT / "lib" / library for library in FIRMWARE_LIBRARIES),
                       *third_party("arm-trusted-firmware"), *third_party("mbedtls"), *patches],
                values=[compiler_version("aarch64-linux-gnu-gcc", "--version"),
                        fetch.identity("arm-trusted-firmware"), fetch.identity("mbedtls"),
                        public_identity(keys, "root", native)])


MESON_FILES = (ROOT / "meson.build", ROOT / "meson_options.txt", ROOT / "VERSION", ROOT / "lib")


def operator_step() -> Step:
    return Step("operator", build_operator, shared=True, needs=[qcbor_step()],
                files=[*MESON_FILES, ROOT / "operator", ROOT / "tools/sign"],
                values=[compiler_version("gcc", "--version")])


def optee_step(name: str, flavour: str, release_version: str, needs: list[Step], *patches: Path,
               overlay: Path | None = None, options: tuple[str, ...] = ()) -> Step:
    return Step(name, build_optee, needs=needs, shared=True, overlay=overlay,
                files=[*(ROOT / "secure/ta" / ta for ta in (*TA_UUIDS, "common")),
                       ROOT / "wire",
                       *(ROOT / "lib" / library for library in
                         sorted({library for row in TA_LIBRARIES.values() for library in row})), *patches],
                values=[flavour, release_version, first_sets_identity(), *options])


def optee_options(flavour: str) -> tuple[str, ...]:
    """What a flavour's OP-TEE has besides ours."""
    return (PKCS11_OPTION,) if flavour == "lab" or os.environ.get("KAPU_PKCS11") == "1" else ()


def optee_variant(of: "Release", name: str, *patches: Path, overlay: Path | None = None,
                  options: tuple[str, ...] = ()) -> Step:
    """A release's OP-TEE with something of ours changed, for tests; options: make variables."""
    return optee_step(name, of.flavour, of.version, of.optee.needs, *patches, overlay=overlay,
                      options=(*optee_options(of.flavour), *options))


def release(flavour: str = "gateway", release_version: str | None = None, counter: int | None = None) -> Release:
    """The release that this checkout is; or the same with another version and security counter, as an update to it.
    ROM, BL2 and BL31 are the same for both: a board keeps its ROM."""
    keys = key_set()
    release_version = version() if release_version is None else release_version
    counter = security_counter() if counter is None else counter
    if flavour == "lab" and keys.folder != development_folder():
        raise KapuError("the lab flavour is not secure and must not be signed with release keys; "
                        "unset KAPU_KEYS and KAPU_ROOT_KEY")
    cross_gcc = compiler_version("aarch64-linux-gnu-gcc", "--version")
    clang = compiler_version("clang-16", "--version")
    kernel = ROOT / "gateway" / "kernel"
    # of lib/ what this program uses: TF-A would be built again with each change there
    native = Step("native", build_native, shared=True,
                  files=[ROOT / "meson.build", ROOT / "meson_options.txt", ROOT / "VERSION",
                         ROOT / "tools/sign", ROOT / "operator/files", ROOT / "lib/base"],
                  values=[compiler_version("gcc", "--version")])
    optee_base = Step("optee-base", build_optee_base, shared=True,
                      files=[ROOT / "secure/optee", PLATFORM / "optee",
                             *(ROOT / folder for folder in OPTEE_FOLDERS.values()),
                             ROOT / "lib/sub.mk",
                             *third_party("optee-os")],
                      values=[cross_gcc, fetch.identity("optee-os")])
    tfa = tfa_step("tf-a", native)
    linux = Step("linux" if flavour == "gateway" else "linux-lab", build_linux, shared=True,
                 files=kernel_fragments(flavour) + [kernel / "configure.sh",
                                                    kernel / "randstruct-seed.sh"],
                 values=[flavour, clang, package_version("pahole"),
                         fetch.identity("linux-source-6.12")])
    for fragment in kernel_fragments(flavour):  # here: a step that reads them so would be built anew
        check_fragment(fragment)
    seed = os.environ.get("KAPU_RANDSTRUCT_SEED")
    if seed:  # an integrator's own layout of kernel structures; see docs/hardening.md
        linux.environment["KAPU_RANDSTRUCT_SEED"] = seed
    sysroot, libcurl = sysroot_step(), curl_step()
    # in build/: a program knows where its sources are from where it was compiled (__FILE__), and a release is made of it
    programs = Step("programs", build_programs, needs=[qcbor_step(), sysroot, libcurl], values=[cross_gcc],
                    files=[*MESON_FILES, *(ROOT / "gateway" / name for name in PROGRAM_FOLDERS),
                           ROOT / "wire", ROOT / "operator/files", PLATFORM / "arm64.cross"])
    root = Step(f"root-{flavour}", build_root, needs=[programs],
                files=recipes(flavour) + [ROOT / "tools/rootimage.py", kernel / "sysctl.conf", operator_ca()],
                values=[flavour, release_version, package_version("erofs-utils"),
                        package_version("cryptsetup-bin")]
                + [fetch.identity(name) for name in recipe_debs(flavour)])
    tree = Step(f"device-tree-{flavour}", build_device_tree, needs=[root],
                files=[PLATFORM / "dts", kernel / "cmdline"]
                + ([kernel / "cmdline-lab"] if flavour == "lab" else []),
                values=[flavour, package_version("device-tree-compiler")])
    introspect = ROOT / "lib" / "introspect"
    kernel_profile = Step(f"profile-{flavour}", build_profile, shared=True, needs=[linux],
                          files=[introspect / "profile.def"])
    allow_list = Step(f"allow-{flavour}", build_allow_list, needs=[root, kernel_profile], values=[flavour],
                      files=policies(flavour))
    optee = optee_step(f"optee-{flavour}", flavour, release_version, [optee_base, kernel_profile, allow_list],
                       options=optee_options(flavour))
    firmware = Step(f"firmware-{flavour}", build_firmware, needs=[native, tfa, optee, linux, tree],
                    values=[counter, *(public_identity(keys, role, native) for role in EC_ROLES)])
    values = Step(f"reference-{flavour}", build_reference, needs=[native, tfa, optee, linux, tree],
                  values=[flavour, release_version, counter, public_identity(keys, REFERENCE_ROLE)])
    return Release(flavour, release_version, counter, native, tfa, optee, linux, root, tree, firmware, kernel_profile,
                   allow_list, operator_step(), values, libcurl)


def link_results(built: Release) -> Path:
    """build/FLAVOUR/ points at the current results, for people and for tests."""
    folder = BUILD / built.flavour
    folder.mkdir(parents=True, exist_ok=True)
    links = {"rom.img": built.firmware.out / "rom.img",
             "firmware.fip": built.firmware.out / "firmware.fip",
             "root.img": built.root.out / "root.img", "root.json": built.root.out / "root.json",
             "root-tree": built.root.out / "tree", "Image": built.linux.out / "Image",
             "kernel.config": built.linux.out / "config", "vmlinux": built.linux.out / "vmlinux",
             "cmdline": built.device_tree.out / "cmdline-a",
             "kernel.profile": built.profile.out / "kernel.profile",
             "allow.list": built.allow.out / "allow.list",
             "root-key.sha256": built.tfa.out / "root-key.sha256",
             "kapu": built.operator.out / "kapu",
             "reference.cbor": built.reference.out / "reference.cbor",
             "reference-key.pem": built.reference.out / "reference-key.pem"}
    if built.flavour == "lab":
        links["headers"] = built.linux.out / "headers"
    for name, target in links.items():
        link = folder / name
        link.unlink(missing_ok=True)
        link.symlink_to(target)
    return folder
