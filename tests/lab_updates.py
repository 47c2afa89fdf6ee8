# SPDX-License-Identifier: Apache-2.0
"""Updates of a lab gateway: its releases, the gateway that they start from, who signs, and what the gateway says of itself."""

import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import snapshots
import updates
from board import Firmware
from kapu import build, certs, reference
from kapu.keys import key_set
from kapu.paths import version
from shell import Shell
from watched import LIGHT_CPU, watched_instance

OLD, NOW, NEXT = 1, 2, 3  # security counters of releases
MARKED = ("bl2", "bl31", "linux", "device-tree")  # images of which each release has its own


def make_releases(folder: Path) -> dict[int, updates.Release]:
    """The lab release with three security counters. Behind the images of NEXT are bytes that nobody reads, so that PCRs
    tell one release from the other."""
    firmware = Firmware("lab")
    made = {}
    for counter in (OLD, NOW, NEXT):
        place = folder / str(counter)
        place.mkdir(parents=True)
        images = {name: _marked(firmware.images[name], place / name) for name in MARKED if counter == NEXT}
        package = firmware.make(place / "package", images, counter=counter)
        made[counter] = updates.Release(SimpleNamespace(images=firmware.images | images), package, counter)
    return made


def _marked(image: Path, to: Path) -> Path:
    to.write_bytes(image.read_bytes() + b"the next release")
    return to


def reference_of(release: updates.Release, to: Path) -> Path:
    """Signed reference values of it. Its OP-TEE, which says the version, is that of the build."""
    built = Firmware("lab").release
    said = reference.release(version(), "lab", release.counter, reference.pcrs_of(built.tfa.out, release.images))
    to.write_bytes(reference.sign(reference.encode(build.PLATFORM.name, [said]),
                                  certs.Signer(built.native.out / "kapu-sign", key_set())))
    return to


def save_gateway(folder: Path, releases: dict[int, updates.Release], other: int | None = NEXT) -> Path:
    """A lab gateway that has come up with NOW from slot A; NEXT lies in slot B, or nothing. To go on from:
    snapshots.restored()."""
    instance = watched_instance(folder / "gw", "lab", cpu=LIGHT_CPU)
    instance.write_firmware("a", releases[NOW].package)
    if other:
        instance.write_firmware("b", releases[other].package)
    else:
        instance.erase_slot("b")
    try:
        instance.machine.start()
        snapshots.come_up(instance.machine, "lab")
        snapshots.save(instance, folder / "saved")
    finally:
        instance.machine.stop()
    shutil.rmtree(instance.folder)
    return folder / "saved"


def state(shell: Shell) -> dict[str, str]:
    text = shell.run("kapu-boot state")
    found = re.search(r"running slot (\w) (\w+)\s+counter (\d+) release (\d+)\s+"
                      r"next slot (\w) (\w+) tries (\d+)", text.replace("\n", " "))
    return dict(zip(("running", "how", "counter", "release", "next", "next_how", "tries"),
                    found.groups()))


def answer_of(said: str) -> str:
    """The update TA's answer, by its name."""
    assert re.match(r"(?!kapu-boot)[\w -]+: ", said), said
    return said.split(":")[0]


class Desk:
    """Who signs, and the gateway's share: files made here are /lab/NAME there."""

    def __init__(self, shell: Shell):
        self.shell, self.share, self.made = shell, shell.instance.folder / "share", 0

    def _path(self) -> Path:
        self.made += 1
        return self.share / f"update-{self.made}"

    @staticmethod
    def _command(words: str, *files) -> str:
        return f"kapu-boot {words} {' '.join('-' if file is None else f'/lab/{file.name}' for file in files)}"

    def told(self, words: str, *files) -> str:
        return answer_of(self.shell.run(self._command(words, *files), check=False))

    def to_request(self, release, number: int, order=None, signed=updates.RELEASE_KEYS[:2], **change) -> str:
        """The command for a rollout of a release, of which the manifest says something else; `order`: what the rollout
        does."""
        order = {"release": release.digest(**change)} | (order or {})
        return self._command("request", None, None, release.manifest(self._path(), signed, **change),
                             updates.rollout(self._path(), order.pop("release"), number, **order))

    def request(self, *words, **change) -> str:
        return answer_of(self.shell.run(self.to_request(*words, **change), check=False))

    def update(self) -> dict[str, str]:
        return dict(line.split(" ", 1) for line in self.shell.run("kapu-boot update").splitlines())

    def to_approve(self, new, /, **change) -> str:
        """The command for the trial that runs; changes: of another release, gateway or boot, by other keys."""
        known = self.update()
        said = {"release": new.digest(), "gateway": bytes.fromhex(known["gateway"]),
                "boot": bytes.fromhex(known["boot"])} | change
        return self._command("confirm", updates.approval(self._path(), **said), None)

    def approve(self, new, /, **change) -> str:
        return answer_of(self.shell.run(self.to_approve(new, **change), check=False))
