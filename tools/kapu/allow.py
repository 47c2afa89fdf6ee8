# SPDX-License-Identifier: Apache-2.0
"""Allow-list: which code and which programs a root image may run (lib/introspect/allow_format.h)."""

import hashlib
import ipaddress
import re
import struct
from pathlib import Path

from . import sectioned, textfile
from .errors import KapuError

MAGIC, VERSION, HEADER = b"KAPUALLO", 3, sectioned.HEAD + sectioned.DIGEST
PAGE = 4096
PT_LOAD, PF_X = 1, 1
NO_NEW_PRIVS, SECCOMP, RAW, ANY, ANY_PEER, IO_URING = 1, 2, 4, 8, 16, 32
MAY_NAMESPACE, HAS_NAMESPACE = 0x100, 0x10000  # shifted by the kind's number
NAMESPACES = ("mnt", "net", "pid", "user", "uts", "ipc", "cgroup")
PROTOCOLS = {"tcp": 6, "udp": 17}
# include/uapi/linux/capability.h, from bit 0
CAPABILITIES = ("chown dac_override dac_read_search fowner fsetid kill setgid setuid setpcap "
                "linux_immutable net_bind_service net_broadcast net_admin net_raw ipc_lock ipc_owner "
                "sys_module sys_rawio sys_chroot sys_ptrace sys_pacct sys_admin sys_boot sys_nice "
                "sys_resource sys_time sys_tty_config mknod lease audit_write audit_control setfcap "
                "mac_override mac_admin syslog wake_alarm block_suspend audit_read perfmon bpf "
                "checkpoint_restore").split()
LOCKDOWN = {"none": 0, "integrity": 1, "confidentiality": 2}
STATE = {"lockdown": 1, "ptrace_scope": 2, "mmap_min_addr": 3, "bpf": 4, "kprobes": 5,
         "modprobe": 16, "core_pattern": 17, "poweroff": 18, "modules": 19}
FIRST_STRING_STATE = 16
PROGRAM_KEYS = ("users", "capabilities", "no_new_privs", "seccomp", "listen", "raw_sockets", "peers",
                "namespaces", "io_uring")
REACTION_KEYS = ("on_alarm",)
USER_MAX = (1 << 32) - 2  # the last one is nobody's
GRACE_SECONDS = range(5, 121)  # up to the watchdog's time (platform.h)


class Policy:
    """What persons wrote: state, reaction, and programs by path. Later files add to or replace
    earlier ones."""

    def __init__(self, paths: list[Path]):
        self.state: dict[str, str] = {}
        self.reaction: dict[str, str] = {}
        self.programs: dict[str, dict[str, str]] = {}
        self.places: dict[tuple[str, str], str] = {}
        for path in paths:
            self._read(path)

    def _read(self, path: Path) -> None:
        section, keys, here, last = None, {}, {}, ""
        for number, line in textfile.rules(path):
            place = f"{path.name}, line {number}"
            if line.startswith("["):
                self._said_something(section, last, keys)
                section, keys = self._section(line, place)
                if (section, "") in here:
                    raise KapuError(f"{place}: {line} is there twice, first in {here[section, '']}")
                here[section, ""] = last = place
                continue
            name, equals, value = (part.strip() for part in line.partition("="))
            if section is None or not equals or not value:
                raise KapuError(f"{place}: expected '[section]' or 'name = value', found '{line}'")
            known = {"state": STATE, "reaction": REACTION_KEYS}.get(section, PROGRAM_KEYS)
            if name not in known:
                raise KapuError(f"{place}: '{name}' is not known here; known: {', '.join(known)}")
            if (section, name) in here:
                raise KapuError(f"{place}: '{name}' is there twice, first in {here[section, name]}")
            keys[name] = value
            self.places[section, name] = here[section, name] = place
        self._said_something(section, last, keys)

    def _said_something(self, section: str | None, place: str, keys: dict) -> None:
        if section is not None and not keys:
            raise KapuError(f"{place}: nothing follows this section: the file was cut, or a line is missing")

    def _section(self, line: str, place: str):
        match = re.fullmatch(r"\[(state|reaction|program (/\S+|\*))\]", line)
        if match is None:
            raise KapuError(f"{place}: sections are [state], [reaction], [program /path] and "
                            f"[program *], not '{line}'")
        if match.group(2) is None:
            return match.group(1), getattr(self, match.group(1))
        return match.group(2), self.programs.setdefault(match.group(2), {})

    def where(self, section: str, name: str) -> str:
        return self.places[section, name]


def read_users(tree: Path) -> dict[str, int]:
    users: dict[str, int] = {}
    path = tree / "etc/passwd"
    for number, line in textfile.rules(path):
        name, *rest = line.split(":")
        if len(rest) != 6 or not name or name in users or not rest[1].isdigit() or int(rest[1]) > USER_MAX:
            raise KapuError(f"{path}, line {number}: not a user, or one that is there twice: '{line}'")
        users[name] = int(rest[1])
    return users


def user_ranges(words: str, users: dict[str, int], place: str) -> list[tuple[int, int]]:
    ranges = []
    for word in words.split():
        match = re.fullmatch(r"(\d+)(?:-(\d+))?", word)
        if match:
            first, last = int(match.group(1)), int(match.group(2) or match.group(1))
            if first > last or last > USER_MAX:
                raise KapuError(f"{place}: the range {word} is empty, or goes beyond {USER_MAX}")
            ranges.append((first, last))
        elif word in users:
            ranges.append((users[word], users[word]))
        else:
            raise KapuError(f"{place}: the image has no user '{word}'; it has "
                            f"{', '.join(sorted(users))}")
    return ranges


def capability_bits(words: str, place: str) -> int:
    if words == "all":
        return (1 << len(CAPABILITIES)) - 1
    bits = 0
    for word in words.split():
        name = word.lower().removeprefix("cap_")
        if name not in CAPABILITIES:
            raise KapuError(f"{place}: there is no capability '{word}'")
        bits |= 1 << CAPABILITIES.index(name)
    return bits


def ports(words: str, place: str) -> list[int]:
    found = []
    for word in words.split():
        protocol, _, port = word.partition("/")
        if protocol not in PROTOCOLS or not port.isdigit() or not 0 < int(port) < 65536:
            raise KapuError(f"{place}: a port is tcp/NUMBER or udp/NUMBER, not '{word}'")
        found.append(PROTOCOLS[protocol] << 16 | int(port))
    return found


def peers(words: str, place: str) -> list[bytes] | None:
    """Six numbers for each ADDRESS/PREFIX:PORT; None: anybody."""
    if words == "any":
        return None
    found = []
    for word in words.split():
        match = re.fullmatch(r"(?:\[([0-9a-fA-F:.]+)\]|([0-9.]+))(?:/(\d+))?:(\d+|\*)", word)
        try:
            six, four, bits, port = match.groups()
            network = ipaddress.ip_network((six or four) + (f"/{bits}" if bits else ""))
            number = 0 if port == "*" else int(port)
            if port == "0" or number > 65535 or (six is not None) != (network.version == 6):
                raise ValueError(word)
        except (AttributeError, ValueError) as error:
            raise KapuError(f"{place}: a peer is ADDRESS/PREFIX:PORT or [ADDRESS]/PREFIX:PORT, with "
                            f"* for any port, not '{word}'") from error
        address = network.network_address.packed
        found.append(struct.pack("<II16s", len(address) << 16 | network.prefixlen, number, address))
    return found


def namespace_flags(words: str, place: str) -> int:
    """Kinds of which each process has one of its own; with a question mark, may have."""
    flags = 0
    for word in words.split():
        kind = word.removesuffix("?")
        if kind not in NAMESPACES:
            raise KapuError(f"{place}: there is no kind of namespace '{kind}'; known: "
                            f"{', '.join(NAMESPACES)}")
        flags |= MAY_NAMESPACE << NAMESPACES.index(kind)
        if kind == word:
            flags |= HAS_NAMESPACE << NAMESPACES.index(kind)
    return flags


def flag(words: str, place: str) -> bool:
    if words not in ("yes", "no"):
        raise KapuError(f"{place}: expected yes or no, not '{words}'")
    return words == "yes"


def executable_parts(data: bytes) -> list[tuple[int, int]]:
    """(first page, pages) of the file that an ELF file's executable segments cover."""
    if data[:6] != b"\x7fELF\x02\x01":
        return []
    table, = struct.unpack_from("<Q", data, 32)
    size, count = struct.unpack_from("<HH", data, 54)
    parts = []
    for i in range(count):
        kind, flags, offset, _, _, length = struct.unpack_from("<IIQQQQ", data, table + i * size)
        if kind == PT_LOAD and flags & PF_X and length:
            first = offset // PAGE
            parts.append((first, (offset + length - 1) // PAGE - first + 1))
    return parts


class Strings:
    def __init__(self):
        self.data, self.places = b"", {}

    def add(self, text: str) -> int:
        if text not in self.places:
            self.places[text] = len(self.data)
            self.data += text.encode() + b"\0"
        return self.places[text]


def file_records(tree: Path, strings: Strings) -> tuple[list[bytes], list[bytes], set[str]]:
    """Records of FILES and HASHES, and the paths."""
    files, hashes, paths = [], [], set()
    found = {"/" + str(p.relative_to(tree)): p for p in tree.rglob("*")
             if p.is_file() and not p.is_symlink()}
    for name, path in sorted(found.items(), key=lambda item: item[0].encode()):
        data = path.read_bytes()
        for first, count in executable_parts(data):
            files.append(struct.pack("<IIII", strings.add(name), first, len(hashes), count))
            paths.add(name)
            for page in range(first, first + count):
                content = data[page * PAGE:(page + 1) * PAGE]
                hashes.append(hashlib.sha256(content.ljust(PAGE, b"\0")).digest())
    return files, hashes, paths


def program_records(policy: Policy, tree: Path, paths: set[str], strings: Strings):
    """Records of PROGRAMS and NUMBERS."""
    users, programs, numbers = read_users(tree), [], []
    for path, keys in sorted(policy.programs.items()):
        if path != "*" and path not in paths:
            raise KapuError(f"policy: [program {path}]: the root image has no such program")

        def value(name, read, default):
            return read(keys[name], policy.where(path, name)) if name in keys else default
        if "users" not in keys:
            raise KapuError(f"policy: [program {path}] does not say as which users it runs")
        ranges = user_ranges(keys["users"], users, policy.where(path, "users"))
        listen = value("listen", ports, [])
        partners = value("peers", peers, [])
        flags = ((NO_NEW_PRIVS if value("no_new_privs", flag, False) else 0)
                 | (SECCOMP if value("seccomp", flag, False) else 0)
                 | (RAW if value("raw_sockets", flag, False) else 0) | (ANY if path == "*" else 0)
                 | (ANY_PEER if partners is None else 0)
                 | (IO_URING if value("io_uring", flag, False) else 0)
                 | value("namespaces", namespace_flags, 0))
        programs.append(struct.pack("<IIQIHHHHI", strings.add(path), flags,
                                    value("capabilities", capability_bits, 0), len(numbers),
                                    len(ranges), len(listen), len(partners or []), 0, 0))
        numbers += [struct.pack("<I", n) for pair in ranges for n in pair]
        numbers += [struct.pack("<I", port) for port in listen]
        numbers += [peer[i:i + 4] for peer in partners or [] for i in range(0, len(peer), 4)]
    return programs, numbers


def state_records(policy: Policy, strings: Strings) -> list[bytes]:
    records = []
    for name, text in sorted(policy.state.items()):
        place = policy.where("state", name)
        if name == "modules":
            records += [struct.pack("<II", STATE[name], strings.add(module))
                        for module in text.split()]
            continue
        if STATE[name] >= FIRST_STRING_STATE:
            value = strings.add(text)
        elif name in ("bpf", "kprobes"):
            value = int(flag(text, place))
        elif name == "lockdown":
            if text not in LOCKDOWN:
                raise KapuError(f"{place}: lockdown is one of {', '.join(LOCKDOWN)}")
            value = LOCKDOWN[text]
        elif text.isdigit() and int(text) < 1 << 32:
            value = int(text)
        else:
            raise KapuError(f"{place}: expected a number, not '{text}'")
        records.append(struct.pack("<II", STATE[name], value))
    return records


def reset_seconds(policy: Policy) -> int:
    """From an alarm to the reset; 0: the monitor only reports."""
    text = policy.reaction.get("on_alarm")
    if text is None:
        raise KapuError("policy: [reaction] does not say on_alarm: 'report', or 'reset SECONDS'")
    word, _, seconds = text.partition(" ")
    if text == "report":
        return 0
    if word == "reset" and seconds.isdigit() and int(seconds) in GRACE_SECONDS:
        return int(seconds)
    raise KapuError(f"{policy.where('reaction', 'on_alarm')}: expected 'report', or 'reset SECONDS' "
                    f"with {GRACE_SECONDS[0]} to {GRACE_SECONDS[-1]}, not '{text}'")


def make_allow_list(tree: Path, policy: Policy, root_hash: str, profile: bytes) -> bytes:
    """The allow-list of an unpacked root image, to be used with that kernel profile only; a KapuError says what is
    wrong in a policy."""
    strings = Strings()
    files, hashes, paths = file_records(tree, strings)
    if not hashes:
        raise KapuError(f"{tree} has no executable file")
    order = sorted(range(len(hashes)), key=lambda n: hashes[n])
    programs, numbers = program_records(policy, tree, paths, strings)
    state = state_records(policy, strings)
    root = bytes.fromhex(root_hash)
    sections = (files, hashes, [struct.pack("<I", n) for n in order], programs, numbers, state,
                [root[i:i + 1] for i in range(len(root))],
                [strings.data[i:i + 1] for i in range(len(strings.data))])
    return sectioned.pack(MAGIC, VERSION, sectioned.digest(profile), sections)
