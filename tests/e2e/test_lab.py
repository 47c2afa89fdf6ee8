# SPDX-License-Identifier: Apache-2.0
"""The lab flavour: the same gateway with a shell, modules and a shared folder, and says so."""

import shutil
import subprocess

import pytest

import snapshots
from kapu.build import KERNEL_ENVIRONMENT, UPDATE_TA, release
from kapu.errors import KapuError
from kapu.paths import BUILD, ROOT, host_environment
from shell import Shell, type_line

TOKEN = "pkcs11-tool --module /usr/lib/aarch64-linux-gnu/libckteec.so.0"
USER = f"{TOKEN} --token-label kapu --login --pin 1234"
AVB_TA = "023f8f1a-292a-432b-8fc4-de8471358067"  # of OP-TEE's package, not in the core
ITEM_NOT_FOUND = "0xffff0008"  # GlobalPlatform TEE Client API 1.0, 4.4.2
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


def open_program(folder):
    """A program for the gateway that opens a session with a trusted application and says what came of it."""
    program = folder / "open-ta"
    tee = ROOT / "gateway" / "tee"
    subprocess.run(["aarch64-linux-gnu-gcc", "-static", "-O1", "-D_GNU_SOURCE", "-o", program, f"-I{tee}",
                    ROOT / "tests/e2e/open_ta.c", tee / "tee_service.c"], check=True,
                   env=host_environment(), capture_output=True)
    return program


def opened(lab, uuid: str) -> str:
    """GlobalPlatform's result of opening a session."""
    return lab.run(f"/lab/open-ta {uuid}", check=False)


@pytest.fixture(scope="module")
def opener(lab, tmp_path_factory):
    shutil.copy(open_program(tmp_path_factory.mktemp("program")), lab.instance.folder / "share")
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
