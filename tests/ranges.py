# SPDX-License-Identifier: Apache-2.0
"""A server of files that misbehaves on request, and the program that fetches ranges from it.

`Server(folder)` is the server of tools/releases. As long as its `fault` is set, that answers instead: a function
of an `Asked`, which writes what it wants to the connection.
"""

import hashlib
import json
import os
import subprocess
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import native
from kapu import build, releases
from kapu.curl import COMMON, SANITIZERS
from kapu.paths import BUILD, ROOT
from kapu.steps import Quiet

FAULT = "fault"  # what a log has instead of a status


class Gone(Exception):
    """The client closed the connection, or the server ends."""


class Asked:
    """A request, and the connection to answer it on."""

    def __init__(self, handler: "Handler"):
        self.handler = handler
        self.data = handler.wanted().read_bytes()
        self.first, self.last = releases.span(handler.headers["Range"], len(self.data))
        self.body = self.data[self.first:self.last + 1]
        self.content_range = f"bytes {self.first}-{self.last}/{len(self.data)}"

    def send(self, *parts: bytes | str) -> None:
        if self.handler.server.ending.is_set():
            raise Gone
        try:
            self.handler.wfile.write(b"".join(p if isinstance(p, bytes) else p.encode("latin-1") for p in parts))
        except OSError as error:
            raise Gone from error

    def wait(self, seconds: float) -> None:
        if self.handler.server.ending.wait(seconds):
            raise Gone

    def close(self) -> None:
        """After this answer; else the client may ask again."""
        self.handler.close_connection = True

    def headers(self, status="206 Partial Content", **fields: str | int | list | None) -> bytes:
        """A good answer's, with fields changed, added (an underscore is a hyphen; a list: as often), or left out."""
        all_fields = {"Content-Type": "application/octet-stream", "Content-Range": self.content_range,
                      "Content-Length": len(self.body)}
        all_fields |= {name.replace("_", "-"): value for name, value in fields.items()}
        lines = [f"HTTP/1.1 {status}"]
        for name, value in all_fields.items():
            lines += [f"{name}: {one}" for one in (value if isinstance(value, list) else [value]) if one is not None]
        return "".join(f"{line}\r\n" for line in lines + [""]).encode("latin-1")

    def good(self) -> bytes:
        return self.headers() + self.body


class Handler(releases.Handler):
    def answer(self) -> None:
        fault = self.server.fault
        if fault is None:
            return super().answer()
        self.server.note(self.command, self.path, self.headers["Range"], FAULT)
        try:
            fault(Asked(self))
        except Gone:
            self.close_connection = True


class Server(releases.Server):
    handler = Handler

    def __init__(self, folder: Path, port: int = 0):
        self.fault = None
        self.connections = 0
        self.ending = threading.Event()
        super().__init__(folder, port)

    def get_request(self):
        self.connections += 1
        return super().get_request()

    def __exit__(self, *exception):
        self.ending.set()
        super().__exit__(*exception)


@dataclass
class Fetched:
    """What tests/support/fetch_ranges.c says of a fetch."""
    result: int
    fault: str
    bytes: int   # of bodies, received in all
    calls: int   # of goes_on
    gap_ms: int  # the longest time between two of them
    around: bool  # what surrounds the buffer is untouched
    said: str
    got: bytes
    seconds: float


class Fetcher:
    """One struct fetch, in a process of its own."""

    def __init__(self, program: Path, base: str, limits=(2, 1000, 2, 20), environment=None):
        self.process = subprocess.Popen([program, base, *map(str, limits)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, env=environment)

    def get(self, at: int, n: int, folder="1.0", file="payload", calls=1 << 60) -> Fetched:
        began = time.monotonic()
        self.process.stdin.write(f"{folder}\t{file}\t{at}\t{n}\t{calls}\n".encode())
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, f"fetch_ranges ended with status {self.process.wait()}"
        said = json.loads(line)
        said["got"] = bytes.fromhex(said["got"])
        return Fetched(**said, seconds=time.monotonic() - began)

    def close(self) -> int:
        self.process.stdin.close()
        self.process.stdout.close()
        return self.process.wait(60)


UPDATE = ROOT / "gateway/update"
INCLUDES = (UPDATE, ROOT / "lib/base/include")
PROGRAM = ROOT / "tests/support/fetch_ranges.c"


def program() -> Path:
    """The program with the gateway's libcurl, built for this host, all of it with sanitizers."""
    step = build.checked_curl_step()
    step.build(Quiet())
    sources = [PROGRAM, *(UPDATE / name for name in (UPDATE / "fetch.list").read_text().split())]
    key = hashlib.sha256(step.key().encode())
    for file in sorted([*sources, *UPDATE.glob("*.h"), *INCLUDES[1].rglob("*.h")]):
        key.update(file.read_bytes())
    made = BUILD / "fetch_ranges" / key.hexdigest()[:32]
    if not made.exists():
        made.parent.mkdir(parents=True, exist_ok=True)
        new = made.with_name(f"{made.name}.{os.getpid()}")
        subprocess.run(["gcc", "-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-g", *COMMON, *SANITIZERS,
                        *(f"-I{folder}" for folder in INCLUDES), "-isystem", step.out / "include", *sources,
                        step.out / "libcurl.a", "-o", new], check=True)
        new.rename(made)
    return made


def with_the_hosts_library() -> Path:
    """The same with the libcurl of this host."""
    return native.programs("tests/support/fetch_ranges")[0]


@contextmanager
def fetching(base: str, *arguments, by: Path | None = None, **more):
    """A Fetcher that must end without an error."""
    fetcher = Fetcher(by or program(), base, *arguments, **more)
    try:
        yield fetcher
    finally:
        status = fetcher.close()
    assert status == 0, f"fetch_ranges ended with status {status}"
