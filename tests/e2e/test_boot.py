# SPDX-License-Identifier: Apache-2.0
"""The gateway as its user gets it: it boots, and what runs is what the documentation says."""

import hashlib
import re
import shutil
import subprocess

import pytest

from kapu import reference
from kapu.build import release
from kapu.paths import BUILD
from monitored import Monitor
from shares import share

BOOT_SECONDS = 900


@pytest.fixture(scope="module")
def booted(tmp_path_factory):
    """One gateway, booted once, for the tests that only look."""
    from kapu.instance import Instance
    instance = Instance.create(tmp_path_factory.mktemp("e2e") / "gateway")
    instance.machine.start()
    instance.machine.wait_for("^KAPU-STATUS .*$", BOOT_SECONDS)
    yield instance
    instance.machine.stop()
    shutil.rmtree(instance.folder)


def test_the_gateway_comes_up_with_all_parts_well(booted):
    assert re.search("^KAPU-STATUS ok", booted.machine.text(), re.MULTILINE)
    assert re.search("^  update +idle; the last one: none", booted.machine.text(), re.MULTILINE)
    assert booted.machine.text().count("BL1: Booting BL2") == 1  # at the first attempt


def test_every_stage_says_that_it_verified_the_next(booted):
    console = booted.machine.text()
    stages = ["BL2 verified", "BL31 verified", "BL32 (OP-TEE) verified",
              "device tree with command line verified", "BL33 (Linux) verified",
              "all images verified"]
    places = [console.index(f"kapu: slot A: {stage}") for stage in stages]
    assert places == sorted(places)


def test_linux_finds_op_tee(booted):
    assert "optee: initialized driver" in booted.machine.text()
    assert "Primary CPU switching to normal world boot" in booted.machine.text(secure=True)


def test_the_pcrs_are_those_that_the_files_of_the_release_give(booted):
    built = release("gateway")
    said = dict(re.findall(r"kapu: PCR +(\d+) ([0-9a-f]{64})", booted.machine.text(secure=True)))
    values = reference.pcrs(built.tfa.out, built.optee.out, built.linux.out, built.device_tree.out)
    for pcr, value in values.items():
        assert said[str(pcr)] == value.hex()
    assert said["14"] == reference.extended(hashlib.sha256(bytes(4)).digest()).hex()


def test_op_tee_no_longer_calls_itself_insecure(booted):
    assert "insecure" not in booted.machine.text(secure=True)


def test_root_is_the_verified_device(booted):
    assert re.search(r"erofs: \(device dm-0\): mounted", booted.machine.text())


def test_the_signed_device_tree_names_only_known_devices():
    """No TPM, no ROM, nothing secure: what is not in the tree does not exist for Linux."""
    tree = subprocess.run(["dtc", "-q", "-I", "dtb", "-O", "dts",
                           release("gateway").device_tree.out / "gateway.dtb"],
                          check=True, capture_output=True, text=True).stdout
    kinds = {kind for line in re.findall(r"compatible = (.*);", tree)
             for kind in re.findall(r'"(.*?)"', line.replace("\\0", '", "'))}
    assert kinds == {"kapu,qemu-virt", "linux,dummy-virt", "arm,psci-1.0", "arm,psci-0.2",
                     "linaro,optee-tz", "arm,armv8", "arm,armv8-timer", "fixed-clock",
                     "arm,gic-v3", "arm,pl011", "arm,primecell", "arm,pl031", "virtio,mmio",
                     "cfi-flash", "fixed-partitions"}
    slots = re.findall(r'label = "(.*)";\s+reg = <(.*)>;', tree)
    assert slots == [("kapu-firmware-a", "0x00 0x2000000"), ("kapu-firmware-b", "0x2000000 0x2000000")]
    assert re.search(r"flash@4000000 {[^}]*reg = <0x00 0x4000000 0x00 0x4000000>;", tree)  # not flash 0, at 0


def test_no_service_failed(booted):
    assert "[FAILED]" not in booted.machine.text()
    assert "Failed to start" not in booted.machine.text()


def test_the_kernel_has_no_way_in_that_the_lab_has():
    """What the lab fragment adds is really not in the gateway's kernel."""
    config = (BUILD / "gateway" / "kernel.config").read_text()
    for option in ("MODULES", "DEVMEM", "KEXEC", "HOTPLUG_CPU", "TCG_TPM", "BPF_SYSCALL", "KPROBES",
                   "FTRACE", "IO_URING", "USER_NS", "PROC_KCORE", "MAGIC_SYSRQ", "NET_9P"):
        assert f"CONFIG_{option}=y" not in config and f"CONFIG_{option}=m" not in config
    assert "CONFIG_LOCK_DOWN_KERNEL_FORCE_CONFIDENTIALITY=y" in config


def test_the_root_image_has_no_shell_and_no_set_uid_file():
    tree = BUILD / "gateway" / "root-tree"
    names = {path.name for path in tree.rglob("*") if path.is_file() or path.is_symlink()}
    assert not names & {"sh", "bash", "dash", "busybox", "su", "sudo", "login", "apt", "dpkg",
                        "gcc", "perl", "python3"}
    assert not [path for path in tree.rglob("*")
                if not path.is_symlink() and path.is_file() and path.stat().st_mode & 0o6000]


# ---- What boots it again, or boots others next to it: behind the tests that look at its first boot.

@pytest.mark.parametrize("cores, cpu", share([(4, "cortex-a57"), (1, "cortex-a57"), (2, "max"), (2, "cortex-a53"),
                                              (2, "cortex-a72"), (2, "cortex-a76")]))
def test_the_gateway_comes_up_on_other_processors_and_next_to_another(booted, make_instance, cores, cpu):
    """Each is a board of its own: TPM, disk and network address are not those of the one that runs. Code
    that Linux patches for a particular processor must not be reported.
    """
    other = make_instance(cores=cores, cpu=cpu)
    assert booted.facts["id"] != other.facts["id"] and booted.facts["mac"] != other.facts["mac"]
    other.machine.start(reboot=False)
    other.machine.wait_for("^KAPU-STATUS ok", BOOT_SECONDS)
    assert re.search(rf"\b{cores} CPUs online", other.machine.text())
    assert Monitor(other.machine).next_check(BOOT_SECONDS).findings == []
    boards = [re.search("kapu: board ([0-9a-f-]+)", instance.machine.text(secure=True))[1]
              for instance in (booted, other)]
    assert boards == [booted.facts["id"], other.facts["id"]]
    assert booted.machine.pid() is not None
    assert booted.machine.text().count("BL1: Booting BL2") == 1


@pytest.mark.share(4)
def test_reset_boots_again(booted):
    seen = len(booted.machine.text())
    booted.machine.reset()
    booted.machine.wait_for("^KAPU-STATUS ok", BOOT_SECONDS, start=seen)


@pytest.mark.share(5)
def test_after_a_power_cut_slot_a_boots_again(booted):
    machine = booted.machine
    machine.stop()
    seen = len(machine.text())
    machine.start(reboot=False)
    machine.wait_for("^KAPU-STATUS ok", BOOT_SECONDS, start=seen)
    assert re.search(r"EXT4-fs \(\w+\): mounted", machine.text()[seen:])
    assert "slot A: all images verified" in machine.text()[seen:]
