#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Build the gateway's root image: a read-only EROFS file system followed by its dm-verity hash tree.

Why a tool of our own instead of debootstrap or mkosi: the image is an allow-list. A recipe names every file that
enters, with a reason; nothing is installed "because the package has it", and no maintainer script runs, so neither
root privileges nor an emulator are needed and the result is the same bits wherever it is built.

A recipe is a directory (a second one is layered over the first: what it names is added, or replaces):
  packages   PACKAGE REASON             the Debian packages that files are taken from
  keep       PACKAGE GLOB REASON        which of a package's paths enter the image
  layout     dir PATH MODE | link PATH TARGET
  files/     own files, copied as they are; in NAME.in, @VERSION@ is filled in and the name loses ".in"

Checked before anything is written: every rule matches, every package is used, every library an executable needs is
there, no library is there that nothing needs, every script's interpreter is there, no set-uid or set-gid bit survives.
"""
import argparse
import fnmatch
import hashlib
import io
import json
import os
import shutil
import stat
import struct
import subprocess
import sys
import tarfile
import tempfile
import uuid

from kapu import textfile
from kapu.errors import KapuError

BLOCK = 4096            # data and hash block of dm-verity, and the page size of the kernel
SECTOR = 512            # unit of device-mapper tables
EPOCH = 0               # every time stamp in the image
FS_UUID = uuid.uuid5(uuid.NAMESPACE_DNS, "root.kapu.invalid")
RUNTIME_DIRS = ("/dev", "/proc", "/run", "/sys", "/tmp", "/var")   # a link may point there: it is filled at run time
MERGED = (("/usr/sbin/", "/usr/bin/"), ("/bin/", "/usr/bin/"), ("/sbin/", "/usr/bin/"), ("/lib/", "/usr/lib/"))


class RecipeError(Exception):
    """A mistake in the recipe or in the command line, told in one line a person can act on."""


class Entry:
    """One path of the image: kind 'file', 'link' or 'dir'. `data` is the file's bytes or the link's target."""

    def __init__(self, kind, data, mode, origin):
        self.kind, self.data, self.mode, self.origin = kind, data, mode, origin


# ---------------------------------------------------------------------------------------------- reading a recipe

def rules_of(path):
    """Number and text of each line that is a rule; the file is read to its last byte, or refused."""
    try:
        return textfile.rules(path)
    except KapuError as error:
        raise RecipeError(str(error)) from None


def read_rules(path, fields):
    """Yield (where, words) for each line of a rule file; the last word takes the rest of the line."""
    if not os.path.exists(path):
        return
    seen = {}
    for number, line in rules_of(path):
        words = line.split(None, fields - 1)
        if len(words) != fields:
            raise RecipeError(f"{path}:{number}: expected {fields} fields, found {len(words)}: {line}")
        what = tuple(words[:2]) if fields > 2 else words[0]
        if what in seen:
            raise RecipeError(f"{path}:{number}: the same rule is in line {seen[what]}: {line}")
        seen[what] = number
        yield f"{path}:{number}", words


def merged(path):
    """The path where a file really lies: the image has one /usr/bin and one /usr/lib."""
    path = "/" + path.lstrip("./").lstrip("/") if not path.startswith("/") else path
    for old, new in MERGED:
        if path.startswith(old):
            return new + path[len(old):]
    return path


def parse_mode(text, where):
    """An octal mode without set-id bits (the sticky bit is allowed, for directories)."""
    try:
        mode = int(text, 8)
    except ValueError:
        raise RecipeError(f"{where}: not an octal mode: {text}") from None
    if mode & ~0o1777:
        raise RecipeError(f"{where}: mode {text} is not allowed (no set-uid, no set-gid)")
    return mode


# ---------------------------------------------------------------------------------------------- packages

def find_deb(debs, package, where):
    """The one .deb file of a package in the directory."""
    found = [name for name in sorted(os.listdir(debs)) if name.startswith(package + "_") and name.endswith(".deb")]
    if not found:
        raise RecipeError(f"{where}: package {package} is missing in {debs}")
    if len(found) > 1:
        raise RecipeError(f"{where}: package {package} is there more than once in {debs}: {' '.join(found)}")
    return os.path.join(debs, found[0])


def read_deb(path):
    """All files and links of a package as {path: Entry}; hard links become copies, set-id bits are dropped."""
    raw = subprocess.run(["dpkg-deb", "--fsys-tarfile", path], check=True, stdout=subprocess.PIPE).stdout
    tree = {}
    with tarfile.open(fileobj=io.BytesIO(raw)) as tar:
        for member in tar:
            name = merged(member.name)
            if member.issym():
                if merged(os.path.normpath(os.path.join(os.path.dirname(name), member.linkname))) == name:
                    continue                          # /usr/sbin/ip -> /usr/bin/ip: one folder here, so the same path
                tree[name] = Entry("link", member.linkname, 0o777, path)
            elif member.isfile():
                tree[name] = Entry("file", tar.extractfile(member).read(), 0o755 if member.mode & 0o111 else 0o644, path)
            elif member.islnk():
                tree[name] = tree[merged(member.linkname)]
    return tree


def load_packages(recipe, debs, packages):
    """Read the packages that this recipe adds; the file says each one once, with a reason."""
    for where, (name, _reason) in read_rules(os.path.join(recipe, "packages"), 2):
        if name in packages:
            raise RecipeError(f"{where}: package {name} is listed twice")
        packages[name] = {"where": where, "tree": read_deb(find_deb(debs, name, where)), "used": False}


# ---------------------------------------------------------------------------------------------- filling the tree

def put(tree, path, entry, layer_origin):
    """Add one path. A later recipe may replace; the same recipe may not name a path twice."""
    old = tree.get(path)
    if old is not None and layer_origin in old.origin:
        raise RecipeError(f"{entry.origin}: {path} is already there, from {old.origin}")
    tree[path] = entry


def apply_keep(recipe, packages, tree):
    """Copy what the keep rules name."""
    for where, (name, glob, _reason) in read_rules(os.path.join(recipe, "keep"), 3):
        if name not in packages:
            raise RecipeError(f"{where}: package {name} is not in any packages file")
        package = packages[name]
        glob = merged(glob)
        hits = [path for path in package["tree"] if fnmatch.fnmatchcase(path, glob)]
        if not hits:
            raise RecipeError(f"{where}: {glob} matches nothing in package {name}")
        for path in hits:
            source = package["tree"][path]
            put(tree, path, Entry(source.kind, source.data, source.mode, where), recipe + "/")
        package["used"] = True


def apply_layout(recipe, tree):
    """Directories and symbolic links that no package brings."""
    for where, (kind, path, value) in read_rules(os.path.join(recipe, "layout"), 3):
        if kind == "dir":
            put(tree, path, Entry("dir", None, parse_mode(value, where), where), recipe + "/")
        elif kind == "link":
            put(tree, path, Entry("link", value, 0o777, where), recipe + "/")
        else:
            raise RecipeError(f"{where}: '{kind}' is neither dir nor link")


def apply_files(recipe, version, tree):
    """Own files. They are all plain data (0644): programs come from packages or --add."""
    base = os.path.join(recipe, "files")
    for folder, names, files in os.walk(base):
        names.sort()
        for name in sorted(files):
            source = os.path.join(folder, name)
            path = "/" + os.path.relpath(source, base)
            with open(source, "rb") as handle:
                data = handle.read()
            if path.endswith(".in"):
                path, data = path[:-3], data.replace(b"@VERSION@", version.encode())
            put(tree, merged(path), Entry("file", data, 0o644, source), recipe + "/")


def apply_adds(adds, tree):
    """--add SRC:DEST:MODE, for what the build itself makes (our programs, the kernel's sysctl file)."""
    for add in adds:
        parts = add.rsplit(":", 2)
        if len(parts) != 3 or not parts[1].startswith("/"):
            raise RecipeError(f"--add {add}: expected SRC:/DEST:MODE")
        source, dest, mode = parts
        if not os.path.isfile(source):
            raise RecipeError(f"--add {add}: no such file: {source}")
        with open(source, "rb") as handle:
            put(tree, merged(dest), Entry("file", handle.read(), parse_mode(mode, "--add " + add), "--add " + add), "--add")


def add_parents(tree):
    """Every directory on the way to a path, root-owned and 0755 unless the layout says otherwise."""
    for path in list(tree):
        parent = os.path.dirname(path)
        while parent != "/" and parent not in tree:
            tree[parent] = Entry("dir", None, 0o755, tree[path].origin)
            parent = os.path.dirname(parent)
        if parent != "/" and tree[parent].kind != "dir":
            raise RecipeError(f"{tree[path].origin}: {path} lies below {parent}, which is a {tree[parent].kind}")


def collect(recipes, debs, adds, version):
    """The whole image as {path: Entry}."""
    packages, tree = {}, {}
    for recipe in recipes:
        recipe = recipe.rstrip("/")
        if not os.path.isfile(os.path.join(recipe, "packages")):
            raise RecipeError(f"--recipe {recipe}: no packages file there")
        load_packages(recipe, debs, packages)
        apply_keep(recipe, packages, tree)
        apply_layout(recipe, tree)
        apply_files(recipe, version, tree)
    apply_adds(adds, tree)
    add_parents(tree)
    for name, package in packages.items():
        if not package["used"]:
            raise RecipeError(f"{package['where']}: nothing of package {name} is kept: drop it")
    return tree


# ---------------------------------------------------------------------------------------------- checking the tree

def elf_dynamic(data):
    """(needed, soname) of a 64-bit little-endian ELF file, read from its dynamic section; None if it is no such file."""
    if data[:6] != b"\x7fELF\x02\x01":
        return None
    phoff, = struct.unpack_from("<Q", data, 32)
    phentsize, phnum = struct.unpack_from("<HH", data, 54)
    headers = [struct.unpack_from("<IIQQQQQQ", data, phoff + i * phentsize) for i in range(phnum)]
    loads = [h for h in headers if h[0] == 1]                                   # PT_LOAD
    entries = []
    for kind, _flags, offset, _va, _pa, filesz, _memsz, _align in headers:
        if kind == 2:                                                           # PT_DYNAMIC
            entries = [struct.unpack_from("<qQ", data, offset + i) for i in range(0, filesz, 16)]
    strtab = next((value for tag, value in entries if tag == 5), None)          # DT_STRTAB, an address
    base = next((h[2] + strtab - h[3] for h in loads if strtab is not None and h[3] <= strtab < h[3] + h[5]), None)

    def text(value):
        start = base + value
        return data[start:data.index(b"\0", start)].decode()
    needed = [text(value) for tag, value in entries if tag == 1]                # DT_NEEDED
    soname = [text(value) for tag, value in entries if tag == 14]               # DT_SONAME
    return needed, (soname[0] if soname else None)


def resolve(tree, path, depth=0):
    """Follow links inside the image; None when it leads nowhere."""
    if depth > 16:
        return None
    parts, at = path.strip("/").split("/"), ""
    for index, part in enumerate(parts):
        at = os.path.normpath(at + "/" + part)
        entry = tree.get(at)
        if entry is not None and entry.kind == "link":
            rest = "/".join(parts[index + 1:])
            target = os.path.normpath(os.path.join(os.path.dirname(at), entry.data))
            return resolve(tree, target + ("/" + rest if rest else ""), depth + 1)
    return at if at in tree else (at if at.startswith(RUNTIME_DIRS) else None)


def check_links(tree):
    """A link that leads nowhere is a forgotten file."""
    for path, entry in sorted(tree.items()):
        if entry.kind == "link":
            target = os.path.normpath(os.path.join(os.path.dirname(path), entry.data))
            if not target.startswith(RUNTIME_DIRS) and resolve(tree, target) is None:
                raise RecipeError(f"{entry.origin}: link {path} -> {entry.data} leads nowhere")


def check_libraries(tree):
    """Needed libraries are there, and libraries there are needed. Returns the number of ELF files."""
    elves = {path: info for path, entry in tree.items() if entry.kind == "file"
             for info in [elf_dynamic(entry.data)] if info is not None}
    sonames = {soname for _needed, soname in elves.values() if soname}
    wanted = set()
    for path, (needed, _soname) in sorted(elves.items()):
        for library in needed:
            wanted.add(library)
            if library not in sonames:
                raise RecipeError(f"{tree[path].origin}: {path} needs {library}, which is not in the image")
    for path, (_needed, soname) in sorted(elves.items()):
        if soname and soname not in wanted and "dlopen" not in reason_of(tree[path].origin):
            raise RecipeError(f"{tree[path].origin}: {path} is a library that nothing needs "
                              "(if it is loaded at run time, say 'dlopen' in the reason)")
    return len(elves)


def reason_of(origin):
    """The text of the rule that an entry came from (origin is FILE:LINE), for words that change a check."""
    path, _, number = origin.rpartition(":")
    if not number.isdigit() or not os.path.isfile(path):
        return ""
    with open(path, encoding="utf-8") as text:
        return text.read().splitlines()[int(number) - 1]


def check_scripts(tree):
    """A script is only as good as its interpreter; without a shell in the image, there are none."""
    for path, entry in sorted(tree.items()):
        if entry.kind == "file" and entry.data[:2] == b"#!":
            interpreter = entry.data[2:].split(b"\n", 1)[0].split()[0].decode()
            if resolve(tree, interpreter) is None:
                raise RecipeError(f"{entry.origin}: {path} is a script for {interpreter}, which is not in the image")


# ---------------------------------------------------------------------------------------------- writing

def write_tree(tree, root):
    """Lay the tree out on disk, in sorted order, every mode set explicitly so that the umask plays no part."""
    os.mkdir(root)
    for path, entry in sorted(tree.items()):
        full = root + path
        if entry.kind == "dir":
            os.mkdir(full)
        elif entry.kind == "link":
            os.symlink(entry.data, full)
        else:
            with open(full, "wb") as handle:
                handle.write(entry.data)
            os.chmod(full, entry.mode)
    for path, entry in sorted(tree.items(), reverse=True):
        if entry.kind == "dir":
            os.chmod(root + path, entry.mode)
    os.chmod(root, 0o755)


def count_setid(root):
    """Set-uid and set-gid files on disk, counted for the record: the caller refuses any but zero."""
    total = 0
    for folder, _names, files in os.walk(root):
        for name in files:
            if os.lstat(os.path.join(folder, name)).st_mode & (stat.S_ISUID | stat.S_ISGID):
                total += 1
    return total


def make_erofs(root, image):
    """Uncompressed, so that a page of a program is a block of the image and hashes the same in both."""
    env = dict(os.environ, SOURCE_DATE_EPOCH=str(EPOCH), LC_ALL="C", TZ="UTC")
    run(["mkfs.erofs", "--quiet", "--all-root", f"-T{EPOCH}", f"-U{FS_UUID}", "-x-1", "-Enoinline_data", image, root], env)
    size = os.path.getsize(image)
    os.truncate(image, -(-size // BLOCK) * BLOCK)


def run(command, env=None):
    """Run a tool; its own words are the error message."""
    done = subprocess.run(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise RecipeError(f"{command[0]} failed:\n{done.stdout}")
    return done.stdout


def sha256_file(path):
    """Digest of a file."""
    digest = hashlib.sha256()
    with open(path, "rb") as handle:
        for chunk in iter(lambda: handle.read(1 << 20), b""):
            digest.update(chunk)
    return digest.hexdigest()


def append_verity(image):
    """Append the hash tree (no superblock: the kernel takes the parameters from dm-mod.create). The salt is the
    digest of the file system, so that it is fixed by the contents yet differs between releases."""
    size = os.path.getsize(image)
    salt = sha256_file(image)
    out = run(["veritysetup", "format", "--no-superblock", "--format=1", "--hash=sha256", f"--salt={salt}",
               f"--data-block-size={BLOCK}", f"--hash-block-size={BLOCK}", f"--data-blocks={size // BLOCK}",
               f"--hash-offset={size}", image, image])
    fields = dict(line.split(":", 1) for line in out.splitlines() if ":" in line)
    total = os.path.getsize(image)
    os.truncate(image, -(-total // BLOCK) * BLOCK)
    return {"root_hash": fields["Root hash"].strip(), "salt": salt, "data_blocks": size // BLOCK,
            "hash_start_block": size // BLOCK, "sectors": size // SECTOR}


def dm_create(info):
    """What the kernel takes as dm-mod.create= (Documentation/admin-guide/device-mapper/dm-init.rst, verity.rst).

    @DEVICE@ stands for the partition: whoever makes the command line knows in which slot the image will lie.
    """
    part = "@DEVICE@"
    return (f"root,,,ro,0 {info['sectors']} verity 1 {part} {part} {BLOCK} {BLOCK} {info['data_blocks']} "
            f"{info['hash_start_block']} sha256 {info['root_hash']} {info['salt']} 1 restart_on_corruption")


def build(args):
    """From recipe to image; returns what root.json says."""
    tree = collect(args.recipe, args.debs, args.add, args.version)
    check_links(tree)
    check_scripts(tree)
    elves = check_libraries(tree)
    with tempfile.TemporaryDirectory(dir=os.path.dirname(os.path.abspath(args.out))) as scratch:
        root, image = scratch + "/tree", scratch + "/root.img"
        write_tree(tree, root)
        setid = count_setid(root)
        if setid:
            raise RecipeError(f"{setid} set-uid or set-gid files in the tree")
        make_erofs(root, image)
        info = append_verity(image)
        if args.tree:
            shutil.rmtree(args.tree, ignore_errors=True)
            shutil.copytree(root, args.tree, symlinks=True)
        os.chmod(image, 0o644)
        os.replace(image, args.out)
    info["dm_create"] = dm_create(info)
    info["version"] = args.version
    info["size"] = os.path.getsize(args.out)
    info["size_mib"] = round(info["size"] / (1 << 20), 2)
    info["sha256"] = sha256_file(args.out)
    info["files"] = sum(entry.kind == "file" for entry in tree.values())
    info["elf"] = elves
    info["setuid"] = setid
    return info


def main(argv=None):
    """Command line."""
    parser = argparse.ArgumentParser(description="Build the gateway's root image (EROFS + dm-verity).")
    parser.add_argument("--recipe", action="append", required=True, help="recipe directory; repeat to layer")
    parser.add_argument("--debs", required=True, help="directory with the packages' .deb files")
    parser.add_argument("--add", action="append", default=[], metavar="SRC:DEST:MODE", help="a file the build made")
    parser.add_argument("--version", required=True, help="product version, for /etc/os-release")
    parser.add_argument("--out", required=True, help="image to write")
    parser.add_argument("--info", required=True, help="JSON description to write")
    parser.add_argument("--tree", help="also leave the unpacked tree here (replaced if there)")
    args = parser.parse_args(argv)
    try:
        info = build(args)
    except RecipeError as error:
        print(f"rootimage: {error}", file=sys.stderr)
        return 1
    with open(args.info, "w", encoding="utf-8") as handle:
        json.dump(info, handle, indent=2, sort_keys=True)
        handle.write("\n")
    print(f"{args.out}: {info['size_mib']} MiB, {info['files']} files, {info['elf']} ELF, root hash {info['root_hash']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
