# SPDX-License-Identifier: Apache-2.0
"""A small server of the files of releases, for gateways that fetch updates: HTTP/1.1 with ranges.

It serves what an operator's own web server would serve as well: files below one folder, nothing else. What
gateways fetch is signed, so it needs neither TLS nor credentials.
"""

import os
import re
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from . import patience
from .broker import GATEWAYS_SEE
from .errors import KapuError
from .paths import BUILD, ROOT, host_environment
from .processes import end_process, read_pid

DEFAULT = BUILD / "releases"
STATE = ".server"  # in the folder; names that begin with a dot are not served
LOOPBACK = "127.0.0.1"
GATEWAY_PORT = 8880  # at the broker's address, from within QEMU
SERVING = "serving"
START_SECONDS = 60
IDLE_SECONDS = 60  # after which a connection is closed
PIECE = 1 << 16
# RFC 9110, 14.1.2; of several ranges none is served, which a server may do
RANGE = re.compile(r"bytes=(?:(\d+)-(\d*)|-(\d+))")


def span(text: str | None, size: int) -> tuple[int, int] | None:
    """First and last byte that a Range asks for, of a file of that size. None: the whole file is the answer.
    ValueError: it lies outside the file."""
    found = RANGE.fullmatch(text.strip()) if text is not None else None
    if found is None:
        return None
    first, last, suffix = found.groups()
    if suffix is not None:
        if int(suffix) == 0 or size == 0:
            raise ValueError("no byte of it")
        return max(0, size - int(suffix)), size - 1
    if last and int(last) < int(first):
        return None  # not a range: ignored
    if int(first) >= size:
        raise ValueError("begins behind the end")
    return int(first), min(int(last), size - 1) if last else size - 1


def forward_to(port: int) -> str:
    """For QEMU's network: where a gateway finds the server (gateway/rootfs/files/etc/kapu/operator)."""
    return f",guestfwd=tcp:{GATEWAYS_SEE}:{GATEWAY_PORT}-cmd:nc {LOOPBACK} {port}"


def forwards(folder: Path = DEFAULT) -> str:
    """The same for the server of a folder in the background; nothing when there was none."""
    port = Background(folder).port()
    return forward_to(port) if port else ""


class Handler(BaseHTTPRequestHandler):
    """One connection."""
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "kapu-releases", ""
    timeout = IDLE_SECONDS
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self.answer()

    def do_HEAD(self) -> None:
        self.answer()

    def wanted(self) -> Path | None:
        """The file that the path names, if there is one to be served."""
        names = self.path.split("?")[0].lstrip("/").split("/")
        if not all(re.fullmatch(r"[A-Za-z0-9_~-][A-Za-z0-9._~-]*", name) for name in names):
            return None
        path = self.server.folder.joinpath(*names).resolve()
        return path if path.is_relative_to(self.server.folder) and path.is_file() else None

    def answer(self) -> None:
        path = self.wanted()
        if path is None:
            return self.refuse(404)
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            try:  # Range means something to GET only
                found = span(self.headers["Range"], size) if self.command == "GET" else None
            except ValueError:
                return self.refuse(416, ("Content-Range", f"bytes */{size}"))
            return self.send(file, size, found)

    def send(self, file, size: int, found: tuple[int, int] | None) -> None:
        first, last = found or (0, size - 1)
        self.send_response(206 if found else 200)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(last - first + 1))
        if found:
            self.send_header("Content-Range", f"bytes {first}-{last}/{size}")
        self.end_headers()
        if self.command == "HEAD":
            return
        file.seek(first)
        left = last - first + 1
        while left > 0 and (piece := file.read(min(left, PIECE))):
            self.wfile.write(piece)
            left -= len(piece)
        if left:  # the file became shorter: not what was promised
            self.close_connection = True

    def refuse(self, status: int, *headers: tuple[str, str]) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        for header in headers:
            self.send_header(*header)
        self.end_headers()

    def log_request(self, code="-", size="-") -> None:
        self.server.note(self.command, self.path, self.headers["Range"], int(code))

    def log_message(self, format, *args) -> None:  # pylint: disable=redefined-builtin
        pass


class Server(ThreadingHTTPServer):
    """Serves a folder on a port of the loopback interface; 0: any. `with` runs it in a thread."""
    daemon_threads = True
    handler: type[Handler] = Handler

    def __init__(self, folder: Path, port: int = 0):
        self.folder = folder.resolve()
        self.requests: list[tuple[str, str, str | None, int]] = []  # method, path, range, status
        self.last_request = 0.0
        try:
            super().__init__((LOOPBACK, port), self.handler)
        except (OSError, OverflowError) as error:
            raise KapuError(f"port {port} of {LOOPBACK}: {error}") from error
        self.port = self.server_address[1]

    def forward(self) -> str:
        return forward_to(self.port)

    def note(self, *request) -> None:
        self.requests.append(request)
        self.last_request = time.monotonic()

    def handle_error(self, request, client_address) -> None:
        """A client that went away is no error of ours."""

    def __enter__(self):
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()


class LoggingServer(Server):
    """One that tells its log, and keeps nothing."""

    def note(self, *request) -> None:
        method, path, asked, status = request
        print(f"{time.strftime('%H:%M:%S')} {status} {method} {path} {asked or ''}".rstrip(), flush=True)


def serve(folder: Path, port: int) -> None:
    """Serve until the process is ended; says so when it does."""
    server = LoggingServer(folder, port)
    print(SERVING, server.port, flush=True)
    server.serve_forever()


class Background:
    """The server of a folder, as a process that outlives the command that started it."""

    def __init__(self, folder: Path = DEFAULT):
        self.folder = folder.resolve()
        self.state = self.folder / STATE
        self.log = self.state / "log"

    def port(self) -> int | None:
        """The one that it has, or had when it ran last."""
        try:
            return int((self.state / "port").read_text())
        except (FileNotFoundError, ValueError):
            return None

    def pid(self) -> int | None:
        return read_pid(self.state / "pid")

    def start(self, port: int | None = None) -> None:
        """Start it if it does not run; on the port that it had, unless another one is given."""
        if self.pid():
            if port not in (None, self.port()):
                raise KapuError(f"it runs on port {self.port()}; stop it first")
            return
        self.state.mkdir(parents=True, exist_ok=True)
        if port is None:
            port = self.port() or 0
        with open(self.log, "ab") as log:
            begin = log.tell()
            process = subprocess.Popen(["/usr/bin/python3", ROOT / "tools/releases", "serve", self.state, str(port)],
                                       env=host_environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                       start_new_session=True)
        (self.state / "pid").write_text(f"{process.pid}\n")
        (self.state / "port").write_text(f"{self.await_start(process, begin)}\n")

    def await_start(self, process: subprocess.Popen, begin: int) -> int:
        """The port that it serves on, as its log says."""
        waiting = patience.of_process(process.pid, START_SECONDS)
        while not (found := re.search(rf"^{SERVING} (\d+)$", self.said(begin), re.MULTILINE)):
            if process.poll() is not None or waiting.over():
                if process.poll() is None:
                    process.kill()
                last = self.said(begin).strip().splitlines()[-1:]
                raise KapuError("the server of releases does not start: " + "".join(last))
            time.sleep(0.02)
        return int(found[1])

    def said(self, begin: int) -> str:
        return self.log.read_bytes()[begin:].decode(errors="replace")

    def stop(self) -> None:
        pid = self.pid()
        if pid:
            end_process(pid)
