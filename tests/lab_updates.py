# SPDX-License-Identifier: Apache-2.0
"""Updates of a lab gateway: its releases, the gateway that they start from, who signs, and what the gateway says of itself."""

import hashlib
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import snapshots
import updates
from board import Firmware
from kapu import build, certs, reference
from kapu.keys import key_set
from kapu.paths import version
from kapu.steps import Progress
from kapu.updates import make_publishable, next_version
from shell import Shell
from writer_protocol import content_of
from watched import LIGHT_CPU, ship, watched_instance

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


@dataclass(frozen=True)
class Fetched:
    """NEXT with a root image of its own, as the writer of updates fetches it from `server`: the folder and the name in it.
    Of both releases: firmware package and root image."""
    packages: dict[int, Path]
    roots: dict[int, Path]
    server: Path
    name: str

    @property
    def manifest(self) -> bytes:
        return (self.server / self.name / "manifest").read_bytes()

    @property
    def digest(self) -> bytes:
        return hashlib.sha256(content_of(self.manifest)).digest()


def make_fetched(releases: dict[int, updates.Release], folder: Path) -> Fetched:
    """This checkout as the next release of the lab, with the marks of make_releases()."""
    built = build.release("lab", next_version(), NEXT)
    built.build(Progress())
    place, server = folder / "images", folder / "server"
    for new in (place, server):
        new.mkdir(parents=True)
    images = {"bl2": built.tfa.out / "bl2.bin", "bl31": built.tfa.out / "bl31.bin", "optee": built.optee.out / "optee.bin",
              "linux": built.linux.out / "Image", "device-tree": built.device_tree.out / "gateway.dtb"}
    images |= {name: _marked(images[name], place / name) for name in MARKED}
    package = Firmware("lab").make(folder / "package", images, counter=NEXT)
    roots = {NOW: build.release("lab").root.out / "root.img", NEXT: built.root.out / "root.img"}
    name = f"lab-{built.version}"
    make_publishable(package, roots[NEXT], built.version, "lab", server / name, level=1)
    return Fetched({NOW: releases[NOW].package, NEXT: package}, roots, server, name)


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
    ship(instance, releases[NOW].package)
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
