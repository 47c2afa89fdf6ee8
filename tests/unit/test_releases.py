# SPDX-License-Identifier: Apache-2.0
"""tools/releases: the server of files that gateways of this host fetch from. The client is Python's own."""

import http.client
import json
import socket
import subprocess
import sys

import pytest

from kapu.errors import KapuError
from kapu.paths import ROOT
from kapu.processes import process_alive, read_pid
from kapu.releases import Background, Server, span

DATA = bytes(range(256)) * 1000
SIZE = len(DATA)


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "releases"
    (made / "1.0").mkdir(parents=True)
    (made / "1.0/payload").write_bytes(DATA)
    (made / "1.0/empty").write_bytes(b"")
    (made / ".server").mkdir()
    (made / ".server/pid").write_text("1\n")
    (tmp_path / "secret").write_text("not of the folder\n")
    (made / "1.0/link").symlink_to(tmp_path / "secret")
    (made / "1.0/inside").symlink_to(made / "1.0/payload")
    return made


@pytest.fixture
def server(folder):
    with Server(folder) as made:
        yield made


@pytest.fixture
def client(server):
    made = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    yield made
    made.close()


def ask(client, path="/1.0/payload", asked=None, method="GET"):
    client.request(method, path, headers={"Range": asked} if asked is not None else {})
    answer = client.getresponse()
    return answer, answer.read()


@pytest.mark.parametrize("asked, first, last", [
    ("bytes=0-0", 0, 0), ("bytes=5-9", 5, 9), ("bytes=7-", 7, SIZE - 1), ("bytes=-4", SIZE - 4, SIZE - 1),
    (f"bytes=-{SIZE + 5}", 0, SIZE - 1), (f"bytes=9-{SIZE}", 9, SIZE - 1), (f"bytes={SIZE - 1}-", SIZE - 1, SIZE - 1),
    (" bytes=1-2 ", 1, 2)])
def test_a_range_is_answered_as_rfc_9110_says(client, asked, first, last):
    answer, body = ask(client, asked=asked)
    assert answer.status == 206 and answer.headers["Content-Range"] == f"bytes {first}-{last}/{SIZE}"
    assert body == DATA[first:last + 1] and answer.headers["Content-Length"] == str(len(body))


@pytest.mark.parametrize("asked", [f"bytes={SIZE}-", f"bytes={SIZE}-{SIZE}", "bytes=-0", "bytes=99999999999999999999-"])
def test_a_range_outside_the_file_is_416_with_its_length(client, asked):
    answer, body = ask(client, asked=asked)
    assert (answer.status, answer.headers["Content-Range"], body) == (416, f"bytes */{SIZE}", b"")


@pytest.mark.parametrize("asked", [None, "", "bytes", "bytes=", "bytes=-", "bytes=5-4", "bytes=a-b", "bytes 0-5", "items=0-5",
                                   "bytes=0-1,3-4", "bytes=0-5x", "bytes=+0-5", "bytes=0--5", "bytes=\u0661-2"])
def test_what_is_no_range_or_several_gives_the_whole_file(client, asked):
    answer, body = ask(client, asked=asked and asked.encode("utf-8").decode("latin-1"))
    assert (answer.status, body, answer.headers["Content-Range"]) == (200, DATA, None)
    assert answer.headers["Accept-Ranges"] == "bytes"


def test_an_empty_file_has_no_range():
    assert span(None, 0) is None and span("bytes=5-4", 0) is None
    for asked in ("bytes=0-", "bytes=-1", "bytes=0-0"):
        with pytest.raises(ValueError):
            span(asked, 0)


def test_head_tells_of_the_file_and_sends_nothing_of_it(client):
    answer, body = ask(client, method="HEAD", asked="bytes=0-5")
    assert (answer.status, answer.headers["Content-Length"], body) == (200, str(SIZE), b"")
    assert ask(client)[1] == DATA  # on the same connection


def test_a_connection_serves_one_request_after_the_other(server, client):
    client.connect()
    connection = client.sock
    for path in ("/1.0/payload", "/1.0/none", "/1.0/empty", "/1.0/payload?x=y"):
        ask(client, path)
        assert client.sock is connection, path
    assert [status for *_, status in server.requests] == [200, 404, 200, 200]
    assert server.requests[1] == ("GET", "/1.0/none", None, 404)


@pytest.mark.parametrize("path", [
    "/", "/1.0", "/1.0/", "/1.0//payload", "//1.0/payload/", "/1.0/../1.0/payload", "/../secret", "/1.0/../../secret",
    "/1.0/%2e%2e/%2e%2e/secret", "/1.0/link", "/.server/pid", "/1.0/./payload", "/1.0/payload/x", "/1.0/p\\ayload", "*",
    "/1.0/payload%00"])
def test_nothing_but_files_below_the_folder_is_served(client, path):
    answer, body = ask(client, path)
    assert (answer.status, body) == (404, b"")


def test_a_link_to_a_file_of_the_folder_is_served(client):
    assert ask(client, "/1.0/inside")[1] == DATA


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "CONNECT"])
def test_files_cannot_be_changed(client, folder, method):
    assert ask(client, method=method)[0].status == 501
    assert (folder / "1.0/payload").read_bytes() == DATA


def test_a_client_that_goes_away_disturbs_nobody(server, client):
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", server.port)) as gone:
            gone.sendall(b"GET /1.0/payload HTTP/1.1\r\nHost: x\r\n\r\n")
    assert ask(client)[1] == DATA


def test_the_server_is_on_the_loopback_interface(server):
    assert server.server_address[0] == "127.0.0.1"


# ---- in the background -------------------------------------------------------------------------

def tool(*words):
    return subprocess.run([sys.executable, ROOT / "tools/releases", *map(str, words)], capture_output=True, text=True,
                          check=False)


@pytest.fixture
def background(folder):
    made = Background(folder)
    yield made
    made.stop()


def test_the_tool_starts_tells_and_stops_it_and_keeps_the_port(folder, background):
    started = tool("start", "--folder", folder)
    assert started.returncode == 0 and started.stdout.splitlines()[1].split() == [
        "running", str(background.port()), str(folder)]
    told = json.loads(tool("status", "--folder", folder, "--json").stdout)
    assert told == {"running": True, "port": background.port(), "folder": str(folder), "log": str(background.log)}
    client = http.client.HTTPConnection("127.0.0.1", told["port"], timeout=20)
    assert ask(client, asked="bytes=0-4")[1] == DATA[:5]
    client.close()
    assert "206 GET /1.0/payload bytes=0-4" in background.log.read_text()
    pid = background.pid()
    assert tool("start", "--folder", folder).returncode == 0 and background.pid() == pid  # it runs already
    stopped = tool("stop", "--folder", folder)
    assert stopped.stdout.splitlines()[1].split()[0] == "off" and not process_alive(pid)
    assert tool("stop", "--folder", folder).returncode == 0
    background.start()
    assert background.port() == told["port"] and background.pid() != pid


def test_a_port_that_is_taken_is_said_and_nothing_is_kept(folder, background, server):
    failed = tool("start", "--folder", folder, "--port", server.port)
    assert failed.returncode == 1 and f"port {server.port} of 127.0.0.1: " in failed.stderr
    assert "Address already in use" in failed.stderr and background.port() is None and background.pid() is None
    for port in (-1, 65536):
        assert f"port {port} of 127.0.0.1: " in tool("start", "--folder", folder, "--port", port).stderr


def test_a_server_that_runs_does_not_change_its_port(folder, background):
    background.start()
    with pytest.raises(KapuError, match=f"it runs on port {background.port()}; stop it first"):
        background.start(background.port() - 1)
    background.start(background.port())


def test_a_pid_file_of_another_process_stops_nobody(folder, background):
    with subprocess.Popen(["sleep", "60"]) as other:
        (folder / ".server/pid").write_text(f"{other.pid}\n")
        assert read_pid(folder / ".server/pid") is None
        background.stop()
        assert other.poll() is None
        other.terminate()
