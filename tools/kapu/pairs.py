# SPDX-License-Identifier: Apache-2.0
"""Real pairs of releases to measure updates with: the gateway's root image with packages in two versions that the
archive offers, and its firmware package with two kernels of Debian.

What the archive offers changes, so the versions are told with what is measured.
"""

import functools
import subprocess
from dataclasses import dataclass
from pathlib import Path

from . import build, fetch
from .errors import KapuError
from .steps import Step

FLAVOUR = "gateway"
STABLE, NEXT = ("trixie", "trixie-security"), ("sid",)
# Of these the version of sid is taken too when stable has two versions of fewer packages.
LARGE = ("libssl3t64", "libzstd1")
ONE = "libssl3t64"
KERNEL = r"^linux-image-6[.]12[.][0-9]+[+]deb13-cloud-arm64$"


@dataclass(frozen=True)
class Package:
    name: str
    version: str
    file: str
    sha256: str

    def entry(self) -> dict:
        return {"name": self.name, "version": self.version, "files": [{"name": self.file, "sha256": self.sha256}]}

    def path(self) -> Path:
        return fetch.verified(self.entry()["files"][0])


def is_older(one: str, other: str) -> bool:
    return subprocess.run(["dpkg", "--compare-versions", one, "lt", other], check=False).returncode == 0


def in_order(packages: list[Package]) -> list[Package]:
    return sorted(packages, key=functools.cmp_to_key(lambda a, b: is_older(b.version, a.version) -
                                                     is_older(a.version, b.version)))


def versions(apt: fetch.PrivateApt, name: str, suites: tuple[str, ...]) -> list[str]:
    """Of a package, as the suites have it for arm64."""
    rows = [[part.strip() for part in line.split("|")] for line in apt.run("apt-cache", "madison", name).splitlines()]
    return list(dict.fromkeys(version for _, version, source in rows if source.endswith("Packages")
                              and any(f" {suite}/" in source for suite in suites)))


def package(apt: fetch.PrivateApt, name: str, version: str) -> Package:
    fields = next(fetch.paragraphs(apt.run("apt-cache", "show", f"{name}={version}")))
    return Package(name, version, Path(fields["Filename"]).name, fields["SHA256"])


def take(apt: fetch.PrivateApt, wanted: Package) -> Package:
    if not fetch.present(wanted.entry()):
        fetch.download(apt, "packages", [wanted.entry()])
    return wanted


def all_versions(apt: fetch.PrivateApt, name: str, suites: tuple[str, ...]) -> list[Package]:
    """Oldest first; what third_party/lock.json pins is one of them."""
    pinned = fetch.locked(name)
    known = Package(name, pinned["version"], pinned["files"][0]["name"], pinned["files"][0]["sha256"])
    return in_order([known, *(package(apt, name, version) for version in versions(apt, name, suites)
                              if version != known.version)])


def changes(apt: fetch.PrivateApt) -> list[tuple[Package, Package]]:
    """Packages of the root image of which there are two versions: oldest and newest."""
    found = {name: all_versions(apt, name, STABLE) for name in build.recipe_debs(FLAVOUR)}
    if sum(len(each) > 1 for each in found.values()) < len(LARGE):
        found |= {name: all_versions(apt, name, STABLE + NEXT) for name in LARGE}
    pairs = [(take(apt, each[0]), take(apt, each[-1])) for each in found.values() if len(each) > 1]
    if not any(old.name == ONE for old, _ in pairs):
        raise KapuError(f"the archive offers one version of {ONE} only: there is no pair to measure")
    return pairs


def kernels(apt: fetch.PrivateApt) -> tuple[Package, Package]:
    """The two latest cloud kernels of stable: Debian's nearest to ours."""
    names = [line.split()[0] for line in apt.run("apt-cache", "search", "--names-only", KERNEL).splitlines()]
    found = in_order([package(apt, name, version) for name in names
                      for version in versions(apt, name, STABLE)])
    if len(found) < 2:
        raise KapuError("the archive offers fewer than two cloud kernels: there is no pair to measure")
    return take(apt, found[-2]), take(apt, found[-1])


# ---- what is made of them ----

def build_root_of(step: Step, out: Path) -> None:
    """The root image with some packages in other versions; values: flavour, version, then NAME=SHA-256/FILE."""
    others = dict(value.split("=", 1) for value in step.values[2:])
    files = []
    for name in build.recipe_debs(step.values[0]):
        if name in others:
            sha256, file = others[name].split("/")
            files.append(fetch.verified({"name": file, "sha256": sha256}))
        else:
            files += fetch.files_of(name)
    build.make_root(step, out, files)


def root_of(release: build.Release, packages: list[Package]) -> Step:
    return Step("bench-root", build_root_of, needs=release.root.needs, files=release.root.files,
                values=[FLAVOUR, release.version, *(f"{p.name}={p.sha256}/{p.file}" for p in packages)])


def build_kernel_of(step: Step, out: Path) -> None:
    """The Image of a kernel package."""
    sha256, file = step.values
    step.run("dpkg-deb", "-x", fetch.verified({"name": file, "sha256": sha256}),
             out / "package")
    (image,) = (out / "package" / "boot").glob("vmlinuz-*")
    image.rename(out / "Image")
    step.run("rm", "-r", out / "package")


def kernel_of(kernel: Package) -> Step:
    return Step("bench-kernel", build_kernel_of, values=[kernel.sha256, kernel.file])


@dataclass(frozen=True)
class Parts:
    """What one release is made of."""
    root: Step
    firmware: Step

    def files(self) -> tuple[Path, Path]:
        return self.firmware.out / "firmware.fip", self.root.out / "root.img"


def parts(release: build.Release, root: Step, linux: Step | None = None) -> Parts:
    """A root image and the firmware package that boots it, with our kernel or another one."""
    tree = Step("bench-device-tree", build.build_device_tree, needs=[root], files=release.device_tree.files,
                values=release.device_tree.values)
    return Parts(root, Step("bench-firmware", build.build_firmware, values=release.firmware.values,
                               needs=[release.native, release.tfa, release.optee, linux or release.linux, tree]))
