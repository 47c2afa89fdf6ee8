# SPDX-License-Identifier: Apache-2.0
"""The lab flavour: the same gateway with a shell, modules and a shared folder, and says so."""

import shutil
import subprocess

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils

import snapshots
from kapu.build import ATTEST_TA, KERNEL_ENVIRONMENT, UPDATE_TA, VAULT_TA, release, sysroot_step
from kapu.errors import KapuError
from kapu.paths import BUILD, ROOT, host_environment
from kapu.report import update_report
from shell import Shell, type_line

TOKEN = "pkcs11-tool --module /usr/lib/aarch64-linux-gnu/libckteec.so.0"
USER = f"{TOKEN} --token-label kapu --login --pin 1234"
AVB_TA = "023f8f1a-292a-432b-8fc4-de8471358067"  # of OP-TEE's package, not in the core
# GlobalPlatform TEE Client API 1.0, 4.4.2
ACCESS_DENIED, BAD_PARAMETERS, ITEM_NOT_FOUND = "0xffff0001", "0xffff0006", "0xffff0008"
ENROL = "1"  # ATTEST_TA_ENROL of wire/attest_ta.h
TLS_CLIENT = "1"  # VAULT_TA_TLS_CLIENT of wire/vault_ta.h
MODULE = r"""
#include <linux/module.h>
static int __init hello(void) { pr_info("kapu-test: module runs\n"); return 0; }
static void __exit bye(void) { }
module_init(hello);
module_exit(bye);
MODULE_LICENSE("GPL");
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    instance = snapshots.running(tmp_path_factory.mktemp("lab") / "lab", "lab")
    instance.machine.start()
    shell = Shell(instance.machine)
    shell.instance = instance
    yield shell
    shell.close()
    instance.machine.stop()
    shutil.rmtree(instance.folder)


def test_it_says_that_it_is_not_secure(lab):
    assert "LAB FLAVOUR: NOT SECURE" in lab.machine.text()


def test_the_console_is_a_root_shell(lab):
    lab.machine.wait_for("kapu-lab# ", 300, partial=True)
    type_line(lab.machine, "echo uid-$(id -u)-")
    lab.machine.wait_for("uid-0-", 300)


def test_what_the_kernel_says_meanwhile_is_not_in_a_result(lab):
    """It is on the console at the same time, where results once were read."""
    said = lab.run("for i in 1 2 3 4 5; do echo '<1>kapu-test: noise' > /dev/kmsg; echo line $i; done; id -u")
    assert said.splitlines() == [f"line {i}" for i in range(1, 6)] + ["0"]
    lab.machine.wait_for("kapu-test: noise", 300)


def test_the_root_image_is_verified_here_too(lab):
    assert "dm-verity" in lab.machine.text()
    assert lab.run("cat /sys/block/dm-0/ro") == "1"


def test_a_folder_is_shared_both_ways(lab):
    share = lab.instance.folder / "share"
    (share / "to-guest").write_text("from the host")
    assert lab.run("cat /lab/to-guest") == "from the host"
    lab.run("echo from the guest > /lab/to-host")
    assert (share / "to-host").read_text() == "from the guest\n"


def test_a_module_built_out_of_tree_runs(lab, tmp_path):
    (tmp_path / "hello.c").write_text(MODULE)
    (tmp_path / "Makefile").write_text("obj-m := hello.o\n")
    headers = (BUILD / "lab" / "headers").resolve()
    subprocess.run(["make", "-C", headers, f"M={tmp_path}", "modules"], check=True,
                   env=host_environment() | KERNEL_ENVIRONMENT, capture_output=True)
    (lab.instance.folder / "share" / "hello.ko").write_bytes((tmp_path / "hello.ko").read_bytes())
    lab.run("insmod /lab/hello.ko")
    assert "kapu-test: module runs" in lab.run("dmesg | tail -n 5")
    lab.run("rmmod hello")


@pytest.mark.share(1)
def test_a_key_of_the_pkcs11_ta_and_what_is_in_var_outlive_a_power_cut(lab):
    lab.run(f"{TOKEN} --init-token --slot 0 --label kapu --so-pin 12345678")
    lab.run(f"{TOKEN} --init-pin --token-label kapu --so-pin 12345678 --pin 1234")
    lab.run(f"{USER} --keypairgen --key-type EC:prime256v1 --label k1 --id 01")
    before = lab.run(f"{USER} -O --type pubkey | grep EC_POINT")
    lab.run("echo kept > /var/kept && sync")
    lab.cut_power()
    assert lab.run("cat /var/kept") == "kept"
    assert lab.run(f"{USER} -O --type pubkey | grep EC_POINT") == before
    with pytest.raises(KapuError, match="PIN"):
        lab.run(f"{TOKEN} --token-label kapu --login --pin 9999 -O")


def offer(lab, *tas) -> None:
    """Make Linux offer trusted applications, as a gateway of an earlier release did. kapu-link uses secure storage, so it
    is stopped first: the kernel accepts no new tee-supplicant while a request to the old one is still open."""
    share = lab.instance.folder / "share"
    for ta in tas:
        shutil.copy(ta, share)
    lab.run("set -e; mkdir -p /run/tas /run/systemd/system/tee-supplicant.service.d; cp /lab/*.ta /run/tas; "
            "chmod -R a+rX /run/tas; cd /run/systemd/system/tee-supplicant.service.d; "
            "printf '[Service]\\nExecStart=\\nExecStart=/usr/bin/tee-supplicant --ta-path=/run/tas "
            "--fs-parent-path=/var/lib/tee /dev/teepriv0\\n' > 99-test.conf; systemctl daemon-reload; "
            "systemctl stop kapu-link; systemctl restart tee-supplicant; systemctl start kapu-link; "
            "until grep -q /run/tas /proc/$(systemctl show -P MainPID tee-supplicant)/cmdline; do sleep 0.1; done")


def tee_program(folder, name: str, *sources: str):
    """A program for the gateway that talks to the secure world, from tests/e2e and these sources of ours."""
    program = folder / name
    includes = ("gateway/tee", "gateway/vault", "wire", "lib/base/include", "lib/vault/include")
    subprocess.run(["aarch64-linux-gnu-gcc", "-static", "-O1", "-D_GNU_SOURCE", "-o", program,
                    *(f"-I{ROOT / include}" for include in includes),
                    ROOT / "tests/e2e" / f"{name.replace('-', '_')}.c", ROOT / "gateway/tee/tee_service.c",
                    *(ROOT / source for source in sources)], check=True, env=host_environment(), capture_output=True)
    return program


def opened(lab, *words: str) -> str:
    """GlobalPlatform's result of opening a session, and of a command."""
    return lab.run(f"/lab/open-ta {' '.join(words)}", check=False)


@pytest.fixture(scope="module")
def opener(lab, tmp_path_factory):
    """Its shell, and in /lab open-ta and vault-key."""
    folder = tmp_path_factory.mktemp("program")
    for program in (tee_program(folder, "open-ta"), tee_program(folder, "vault-key", "gateway/vault/vault_client.c")):
        shutil.copy(program, lab.instance.folder / "share")
    return lab


def test_a_trusted_application_from_linux_is_not_loaded_however_it_is_signed(opener):
    """One that OP-TEE's package has, signed with the key that the core would verify with if it loaded any; and
    under a name that is in the core: there the core's own answers."""
    base = release("lab").optee.needs[0].out / "optee-os/out/ta"
    ours = opener.instance.folder / f"{UPDATE_TA}.ta"
    shutil.copy(base / f"avb/{AVB_TA}.ta", ours)  # another program in the place of an old one
    offer(opener, base / f"avb/{AVB_TA}.ta", ours)
    assert opened(opener, AVB_TA) == ITEM_NOT_FOUND
    assert opened(opener, UPDATE_TA) == "0x00000000"
    assert "stage idle" in opener.run("kapu-boot update")  # and it is that one
    assert opener.run("systemctl is-active tee-supplicant") == "active"


def vault(lab, user: str, *words: str) -> str:
    """What the vault TA gives to that account, or its refusal."""
    return lab.run(f"setpriv --reuid {user} --regid {user} --groups tee /lab/vault-key {' '.join(words)}", check=False)


def public_key(text: str) -> ec.EllipticCurvePublicKey:
    return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), b"\x04" + bytes.fromhex(text))


def verifies(key: ec.EllipticCurvePublicKey, signature: str, content: bytes) -> bool:
    r, s = (int(part, 16) for part in (signature[:64], signature[64:]))
    try:
        key.verify(utils.encode_dss_signature(r, s), content, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


def test_a_key_of_the_vault_is_used_by_its_account_and_by_no_other(opener):
    """The account is what the kernel of a Linux that nobody has taken over says."""
    point = vault(opener, "kapu-link", "public", TLS_CLIENT)
    assert public_key(point)
    assert vault(opener, "kapu-link", "public", TLS_CLIENT) == point
    for user in ("root", "kapu-agent", "tee-supplicant"):
        assert vault(opener, user, "public", TLS_CLIENT) == ACCESS_DENIED
        assert vault(opener, user, "sign", "00" * 32) == ACCESS_DENIED
    assert opened(opener, VAULT_TA) == ACCESS_DENIED  # without saying which account it is
    assert vault(opener, "kapu-link", "public", "2") == BAD_PARAMETERS  # a use that there is not


def test_the_tls_key_signs_handshakes_of_a_client_only(opener):
    """What comes is taken as a hash in the content of a client's CertificateVerify (RFC 8446, 4.4.3)."""
    key = public_key(vault(opener, "kapu-link", "public", TLS_CLIENT))
    for transcript in (bytes(range(32)), bytes(range(48))):
        signature = vault(opener, "kapu-link", "sign", transcript.hex())
        content = b" " * 64 + b"TLS 1.3, client CertificateVerify\0" + transcript
        assert verifies(key, signature, content)
        assert not verifies(key, signature, content.replace(b"client", b"server"))
        assert not verifies(key, signature, transcript)
    for size in (0, 1, 31, 33, 47, 49, 64):
        assert vault(opener, "kapu-link", "sign", "00" * size or "''") == BAD_PARAMETERS


def test_linux_cannot_name_the_tls_key_of_an_enrolment(opener):
    """The attest TA refuses a third parameter, with which Linux would choose the key. With two parameters the request reaches
    the TPM, which rejects a credential of zeros."""
    assert opened(opener, ATTEST_TA, ENROL, "3") == BAD_PARAMETERS
    assert opened(opener, ATTEST_TA, ENROL, "2") not in (BAD_PARAMETERS, "0x00000000")


def test_the_secure_worlds_storage_works_after_its_daemon_began_again(opener):
    """The vault is in use all the time, and keeps nothing of the daemon's open."""
    point = vault(opener, "kapu-link", "public", TLS_CLIENT)
    opener.run("systemctl restart tee-supplicant && kapu-agent identity > /dev/null")
    assert vault(opener, "kapu-link", "public", TLS_CLIENT) == point


def handshake_program(folder):
    """tests/e2e/vault_tls.c with kapu-link's own way to the vault, linked with libraries of the root image."""
    root, program = sysroot_step().out, folder / "vault-tls"
    includes = ("tests/support", "gateway/link", "gateway/tee", "gateway/vault", "gateway/settings", "wire",
                *(f"lib/{name}/include" for name in ("base", "evidence", "protocol", "vault")))
    sources = ("tests/e2e/vault_tls.c", "tests/support/handshake.c", "gateway/link/vault.c", "gateway/tee/tee_service.c",
               "gateway/vault/vault_client.c", "gateway/vault/vault_provider.c", "lib/vault/vault.c", "lib/base/bytes.c")
    headers = (root / "usr/include", root / "usr/include/aarch64-linux-gnu")
    subprocess.run(["aarch64-linux-gnu-gcc", "-O2", "-D_GNU_SOURCE", "-o", program,
                    *(f"-I{ROOT / include}" for include in includes),
                    *(word for header in headers for word in ("-isystem", header)), *(ROOT / source for source in sources),
                    f"-L{root / 'usr/lib/aarch64-linux-gnu'}", "-l:libssl.so.3", "-l:libcrypto.so.3",
                    "-Wl,--allow-shlib-undefined"], check=True, env=host_environment(), capture_output=True)
    return program


def test_a_handshake_with_the_vaults_key_is_measured(lab, tmp_path):
    """Medians of one run, in turn. Client and server are in one process, and both kinds pay for both."""
    shutil.copy(handshake_program(tmp_path), lab.instance.folder / "share")
    said = lab.run("setpriv --reuid kapu-link --regid kapu-link --groups tee /lab/vault-tls")
    in_vault, in_memory = map(int, said.split())
    update_report("vault", tls_ratio=round(in_vault / in_memory, 2), tls_vault_us=in_vault, tls_memory_us=in_memory)
    assert 0 < in_memory < in_vault
