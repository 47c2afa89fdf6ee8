# SPDX-License-Identifier: Apache-2.0
"""gateway/update/fetch.c and the gateway's libcurl against servers of files, good ones and hostile ones. Both are built
with sanitizers; after each fetch the program looks whether anything around the buffer was written."""

import getpass
import os
import random
import re
import shutil
import socket
import struct
import subprocess
import threading
from contextlib import contextmanager

import pytest

from ranges import Fetcher, Server, fetching, program, with_the_hosts_library

SIZE = 200_000
AT, N = 1000, 5000
EIO, ETIMEOUT, EARG = -7, -8, -4
CASES = int(os.environ.get("KAPU_MUTATIONS", "300"))
SEED = os.environ.get("KAPU_SEED", "kapu")
DATA = random.Random("a payload").randbytes(SIZE)
SHORTEST_S = 3  # within which what needs no limit has ended, on a busy machine


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("releases")
    (made / "1.0").mkdir()
    (made / "1.0/payload").write_bytes(DATA)
    return made


@pytest.fixture
def server(folder):
    with Server(folder) as made:
        yield made


@pytest.fixture
def fetcher(server):
    with fetching(f"http://127.0.0.1:{server.port}") as made:
        yield made


def got(fetcher, fault="fine", at=AT, n=N, **more):
    """Fetch, and hold that it ended so, and that success means the file's own bytes."""
    result = fetcher.get(at, n, **more)
    assert result.fault == fault, result
    assert result.result == {"fine": 0, "slow": ETIMEOUT, "no answer": ETIMEOUT}.get(fault, EIO)
    assert result.around and (result.said == "") == (fault == "fine")
    assert result.got == (DATA[at:at + n] if fault == "fine" else b"")
    return result


# ---- good servers -----------------------------------------------------------------------------

def test_ranges_of_a_file_come_over_one_connection(server, fetcher):
    places = random.Random("places")
    for _ in range(50):
        n = places.randint(1, 70_000)
        got(fetcher, at=places.randint(0, SIZE - n), n=n)
    got(fetcher, at=0, n=SIZE)
    got(fetcher, at=SIZE - 1, n=1)
    assert server.connections == 1 and {status for *_, status in server.requests} == {206}


def test_all_bytes_of_bodies_are_counted(server, fetcher):
    assert got(fetcher, n=100).bytes == 100
    assert got(fetcher, n=10).bytes == 110


def test_what_lies_behind_the_end_is_refused_and_said(server, fetcher):
    result = got(fetcher, "refused", at=SIZE)
    assert result.said == f"1.0/payload, bytes {SIZE} to {SIZE + N - 1}: refused (HTTP status 416, 0 bytes came)"
    got(fetcher, "wrong range", at=SIZE - 1, n=2)  # the server shortens it
    got(fetcher)


def test_a_file_that_is_not_there_is_refused_and_named(server, fetcher):
    assert "1.0/patch-0.9" in got(fetcher, "refused", file="patch-0.9").said
    got(fetcher)


def test_a_base_may_have_a_path_a_slash_at_the_end_and_a_name(server):
    for base in (f"http://127.0.0.1:{server.port}/", f"http://localhost:{server.port}"):
        with fetching(base) as fetcher:
            got(fetcher)
    with fetching(f"http://127.0.0.1:{server.port}/1.0/") as fetcher:
        assert fetcher.get(0, 10, folder="x", file="y").fault == "refused"
    assert server.requests[-1][1] == "/1.0/x/y"


def test_a_connection_that_the_server_closed_in_the_meantime_is_made_again(server, fetcher):
    def closes(asked):
        asked.close()
        asked.send(asked.good())
    server.fault = closes
    for _ in range(5):
        got(fetcher)
    assert server.connections == 5


def test_the_request_has_nothing_but_what_it_needs(server, fetcher):
    seen = []

    def looks(asked):
        seen.append(dict(asked.handler.headers))
        asked.send(asked.good())
    server.fault = looks
    got(fetcher)
    assert seen == [{"Host": f"127.0.0.1:{server.port}", "Range": f"bytes={AT}-{AT + N - 1}", "User-Agent": "kapu",
                     "Accept": "*/*", "Accept-Encoding": "identity"}]


def test_neither_proxies_of_the_environment_nor_files_of_a_home_matter(server, folder, tmp_path):
    with Server(folder) as proxy:
        address = f"http://127.0.0.1:{proxy.port}"
        (tmp_path / ".netrc").write_text("default login somebody password secret\n")
        (tmp_path / ".curlrc").write_text(f"proxy = {address}\n")
        environment = {name: address for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY")}
        environment |= {"HOME": str(tmp_path), "CURL_HOME": str(tmp_path), "no_proxy": ""}
        seen = []

        def looks(asked):
            seen.append(set(asked.handler.headers.keys()))
            asked.send(asked.good())
        server.fault = looks
        with fetching(f"http://127.0.0.1:{server.port}", environment=environment) as fetcher:
            got(fetcher)
        assert proxy.connections == 0 and seen == [{"Host", "Range", "User-Agent", "Accept", "Accept-Encoding"}]
        # it is a proxy for those that ask it
        subprocess.run(["curl", "-s", "-x", address, "http://127.0.0.1:1/1.0/payload"], capture_output=True,
                       check=False)
        assert proxy.connections == 1


NGINX = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")


@pytest.mark.skipif(not NGINX, reason="nginx is not installed")
def test_ranges_come_from_nginx(folder, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (tmp_path / "nginx.conf").write_text(
        f"user {getpass.getuser()}; daemon off; pid {tmp_path}/pid; error_log {tmp_path}/log; events {{}}\n"
        f"http {{ access_log off; client_body_temp_path {tmp_path}/1; proxy_temp_path {tmp_path}/2;\n"
        f"fastcgi_temp_path {tmp_path}/3; uwsgi_temp_path {tmp_path}/4; scgi_temp_path {tmp_path}/5;\n"
        f"server {{ listen 127.0.0.1:{port}; root {folder}; }} }}\n")
    nginx = subprocess.Popen([NGINX, "-p", tmp_path, "-e", tmp_path / "log", "-c", tmp_path / "nginx.conf"],
                             stderr=subprocess.PIPE)
    try:
        with fetching(f"http://127.0.0.1:{port}") as fetcher:
            while fetcher.get(0, 1).fault == "no answer":
                assert nginx.poll() is None, nginx.stderr.read()
            for at, n in ((0, 1), (AT, N), (0, SIZE), (SIZE - 1, 1)):
                got(fetcher, at=at, n=n)
            got(fetcher, "wrong range", at=SIZE - 1, n=2)
            got(fetcher, "refused", at=SIZE)
            got(fetcher, "refused", file="none")
    finally:
        nginx.terminate()
        nginx.wait(20)
        nginx.stderr.close()


# ---- answers: each gives the whole of what is sent, or a function that sends ---------------------

def chunked(body, size=700, last="0\r\n\r\n"):
    parts = [body[i:i + size] for i in range(0, len(body), size)]
    return b"".join(f"{len(part):x}\r\n".encode() + part + b"\r\n" for part in parts) + last.encode()


def in_chunks(asked, body=None, **more):
    return asked.headers(Content_Length=None, Transfer_Encoding="chunked") + chunked(body or asked.body, **more)


def until_close(asked, body):
    asked.close()
    return asked.headers(Content_Length=None) + body


GOOD = {
    "a total that is not known": lambda a: a.headers(Content_Range=f"bytes {a.first}-{a.last}/*") + a.body,
    "another total": lambda a: a.headers(Content_Range=f"bytes {a.first}-{a.last}/7") + a.body,
    "spaces around the range": lambda a: a.headers(Content_Range=f" \t{a.content_range} ") + a.body,
    "chunks": in_chunks,
    "chunks of one byte": lambda a: in_chunks(a, size=1),
    "chunks and trailers": lambda a: in_chunks(a, last="0\r\nContent-Range: bytes 0-1/2\r\nHTTP/1.1 404: x\r\n\r\n"),
    "a body up to the end of the connection": lambda a: until_close(a, a.body),
    "interim answers": lambda a: b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n"
                                 b"Content-Range: bytes 0-1/2\r\n\r\n" + a.good(),
    "names in small letters": lambda a: a.headers().lower().replace(b"http/1.1", b"HTTP/1.1") + a.body,
    "line ends without a carriage return": lambda a: a.headers().replace(b"\r\n", b"\n") + a.body,
    "HTTP/1.0": lambda a: a.close() or a.good().replace(b"HTTP/1.1", b"HTTP/1.0", 1),
    "the encoding that changes nothing": lambda a: a.headers(Content_Encoding="identity") + a.body,
    "a status line without words": lambda a: a.headers("206") + a.body,
}


@pytest.mark.parametrize("name", GOOD)
def test_good_answers_of_other_forms_are_taken(server, fetcher, name):
    server.fault = lambda asked: asked.send(GOOD[name](asked))
    got(fetcher)
    got(fetcher, at=5, n=17)


def shifted(first, last):
    return lambda a: a.headers(Content_Range=f"bytes {a.first + first}-{a.last + last}/{SIZE}") + a.body


def ranged(text):
    return lambda a: a.headers(Content_Range=text.format(f=a.first, l=a.last, t=SIZE) if isinstance(text, str) else
                               [one.format(f=a.first, l=a.last, t=SIZE) for one in text or []]) + a.body


def status(text, **fields):
    return lambda a: a.headers(text, Content_Range=None, **fields) + a.body


def raw(text):
    return lambda a: a.close() or (text if isinstance(text, bytes) else text.encode())


BAD = {
    # other bytes than were asked for
    **{f"a range moved by {first} and {last}": ("wrong range", shifted(first, last))
       for first, last in ((-1, 0), (1, 0), (0, -1), (0, 1), (-1, -1), (1, 1), (-AT, -AT))},
    **{f"a range that says '{text}'": ("wrong range", ranged(text)) for text in (
        "octets {f}-{l}/{t}", "bytes={f}-{l}/{t}", "{f}-{l}/{t}", "bytes {f}-{l}", "bytes {f}-{l}/", "bytes {f}-{l}/-1",
        "bytes {f}-{l}/{t} ,", "bytes {f}-{l}/{t}x", "bytes {f} -{l}/{t}", "bytes  {f}-{l}/{t}", "bytes 0{f}-{l}/{t}",
        "bytes +{f}-{l}/{t}", "bytes {l}-{f}/{t}", "bytes */{t}", "bytes {f}-{l}/**", "bytes {f}-/{t}", "", "bytes",
        "bytes {f}-{l}/{t}, bytes {f}-{l}/{t}", "bytes {f}-{l}/99999999999999999999",
        "bytes 18446744073709552616-{l}/{t}")},
    "no range": ("wrong range", ranged(None)),
    "two equal ranges": ("wrong range", ranged(["bytes {f}-{l}/{t}"] * 2)),
    "a wrong range and a right one": ("wrong range", ranged(["bytes 0-1/{t}", "bytes {f}-{l}/{t}"])),
    "a right range and a wrong one": ("wrong range", ranged(["bytes {f}-{l}/{t}", "bytes 0-1/{t}"])),
    "a range in a trailer": ("wrong range", lambda a: a.headers(
        Content_Length=None, Content_Range=None, Transfer_Encoding="chunked")
        + chunked(a.body, last=f"0\r\nContent-Range: {a.content_range}\r\n\r\n")),
    "a range in an interim answer": ("wrong range", lambda a: f"HTTP/1.1 103 x\r\nContent-Range: {a.content_range}\r\n\r\n"
                                     .encode() + a.headers(Content_Range=None) + a.body),
    "a range before a colon with a space": ("wrong range", lambda a: a.good().replace(b"Range:", b"Range :", 1)),
    "several parts": ("wrong range", lambda a: a.headers(Content_Range=None,
                                                         Content_Type="multipart/byteranges; boundary=x") + a.body),
    "the whole file": ("wrong range", lambda a: a.headers("200 OK", Content_Range=None, Content_Length=SIZE) + a.data),
    "the right bytes as if whole": ("wrong range", status("200 OK")),
    "compressed bytes": ("wrong range", lambda a: a.headers(Content_Encoding="gzip") + a.body),
    "compressed and again": ("wrong range", lambda a: a.headers(Content_Encoding=["identity", "br"]) + a.body),
    # other statuses
    **{f"status {text}": ("refused", status(text)) for text in (
        "416 Range Not Satisfiable", "404 Not Found", "500 Internal Server Error", "403 Forbidden", "401 Unauthorized",
        "407 Proxy Authentication Required", "204 No Content", "304 Not Modified", "207 x", "999 x",
        "101 Switching Protocols")},
    **{f"a redirect {number} to {where}": ("moved", status(f"{number} x", Location=where))
       for number in (301, 302, 303, 307, 308, 300) for where in ("/1.0/payload", "http://127.0.0.1:1/", "file:///etc/passwd")},
    # no HTTP
    **{f"nonsense {text[:16]!r}": ("no answer", raw(text)) for text in (
        "", "\r\n", "\n\n", "SSH-2.0-OpenSSH_9.2\r\n", "ICY 200 OK\r\n\r\n", "HTTP/1.1\r\n\r\n", "HTTP/1.1 20\r\n\r\n",
        "HTTP/1.1 2060 x\r\n\r\n", "HTTP/1.1 x\r\n\r\n", "HTTP/1.1 -06 x\r\n\r\n", "HTTP/1.1 006 x\r\n\r\n",
        "HTTP/2 206\r\n\r\n", "HTTP/3 206\r\n\r\n", b"\x15\x03\x03\x00\x02\x02\x28", b"\0" * 5000, b"\xff" * 50)},
    "HTTP/0.9": ("no answer", lambda a: a.close() or a.body),
    "HTTP/0.9 that begins like the file": ("no answer", lambda a: a.close() or b"\n" + a.body),
    "two status lines": ("no answer", lambda a: b"HTTP/1.1 404 Not Found\r\n" + a.good()),
    "a carriage return in a line": ("no answer", lambda a: a.good().replace(b"\r\n", b"\r\r\n", 2)),
    "a carriage return too many at the end": ("no answer", lambda a: a.good().replace(b"\r\n\r\n", b"\r\n\r\r\n", 1)),
    "an end of headers with words": ("no answer", lambda a: a.good().replace(b"\r\n\r\n", b"\r\n\rX\r\n", 1)),
    "a zero byte in a line": ("no answer", lambda a: a.headers(X="y\0z") + a.body),
    "a folded range": ("no answer", lambda a: a.headers(Content_Range=f"bytes\r\n {a.first}-{a.last}/{SIZE}") + a.body),
    "a range and more, folded": ("no answer", lambda a: a.headers(Content_Range=a.content_range + "\r\n\t0") + a.body),
    # too much
    "a byte more": ("endless", lambda a: a.headers(Content_Length=N + 1) + a.body + b"x"),
    "a byte more in chunks": ("endless", lambda a: in_chunks(a, a.body + b"x")),
    "a byte more, then the end": ("endless", lambda a: until_close(a, a.body + b"x")),
    # too little
    "a byte less": ("short", lambda a: a.headers(Content_Length=N - 1) + a.body[:-1]),
    "a byte less, then the end": ("short", lambda a: until_close(a, a.body[:-1])),
    "a byte less in chunks": ("short", lambda a: in_chunks(a, a.body[:-1])),
    "nothing": ("short", lambda a: a.headers(Content_Length=0)),
    "nothing in chunks": ("short", lambda a: in_chunks(a, last="0\r\n\r\n", size=N) and
                          a.headers(Content_Length=None, Transfer_Encoding="chunked") + b"0\r\n\r\n"),
}
# Chunks of which no two libraries say the same: a lost connection, or an end.
BROKEN_CHUNKS = ("zz\r\n", "-1\r\n", "ffffffffffffffffff\r\n", "\r\n", " 5\r\n", "0x5\r\n", "5", "5\r\nabcdefgh\r\n", "5\r\nab")


@pytest.mark.dealt
@pytest.mark.parametrize("name", BAD)
def test_other_answers_are_refused_for_what_they_are_and_the_next_fetch_works(server, fetcher, name):
    fault, answer = BAD[name]
    server.fault = lambda asked: asked.send(answer(asked))
    assert got(fetcher, fault).seconds < SHORTEST_S
    server.fault = None
    got(fetcher, at=AT + 1)


def test_a_redirect_leads_to_no_other_request(server, fetcher, folder):
    with Server(folder) as other:
        for where in (f"http://127.0.0.1:{other.port}/1.0/payload", f"http://127.0.0.1:{server.port}/1.0/payload"):
            server.fault = lambda asked, to=where: asked.send(status("302 Found", Location=to, Refresh=f"0; {to}")(asked))
            got(fetcher, "moved")
        assert other.connections == 0 and len(server.requests) == 2


@pytest.mark.parametrize("text", BROKEN_CHUNKS)
def test_broken_chunks_are_no_success(server, fetcher, text):
    for before in (0, 1, N - 5):  # bytes that come in good chunks
        def broken(asked, count=before):
            asked.close()
            asked.send(asked.headers(Content_Length=None, Transfer_Encoding="chunked"),
                       chunked(asked.body[:count], last=""), text)
        server.fault = broken
        result = fetcher.get(AT, N)
        assert result.fault in ("no answer", "short", "endless") and result.around, result


@pytest.mark.parametrize("coding", ["gzip", "gzip, chunked", "chunked, gzip", "identity", "x", ""])
def test_a_transfer_in_another_coding_is_no_success(server, fetcher, coding):
    def coded(asked):  # libcurl refuses some by itself
        asked.close()
        asked.send(asked.headers(Content_Length=None, Transfer_Encoding=coding), chunked(asked.body))
    server.fault = coded
    result = fetcher.get(AT, N)
    assert result.fault in ("wrong range", "no answer") and result.around, result


def test_without_a_range_a_file_is_taken_only_if_it_is_exactly_the_bytes_that_were_asked_for(server, fetcher):
    def ignores_ranges(asked):
        asked.send(asked.headers("200 OK", Content_Range=None, Content_Length=SIZE), asked.data)
    server.fault = ignores_ranges
    got(fetcher, at=0, n=SIZE)
    got(fetcher, "wrong range", at=0, n=SIZE - 1)
    got(fetcher, "wrong range", at=0, n=1)
    got(fetcher, "wrong range", at=1, n=SIZE - 1)

    def chunks(asked):
        asked.send(asked.headers("200 OK", Content_Range=None, Content_Length=None, Transfer_Encoding="chunked"),
                   chunked(asked.data, size=60_000))
    server.fault = chunks
    got(fetcher, at=0, n=SIZE)
    got(fetcher, "wrong range", at=0, n=SIZE - 1)
    server.fault = lambda asked: asked.send(asked.headers("200 OK", Content_Range=None, Content_Length=SIZE - 1),
                                            asked.data[:-1])
    got(fetcher, "short", at=0, n=SIZE)


def test_what_follows_an_answer_is_not_the_next_one(server, fetcher):
    def two_at_once(asked):
        other = asked.headers(Content_Range=f"bytes {AT}-{AT + N - 1}/{SIZE}") + bytes(N)
        asked.send(asked.good(), other)
    server.fault = two_at_once
    for _ in range(5):
        got(fetcher)


@pytest.mark.parametrize("lengths", [[N, N + 1], [N + 1, N], [N, "x"], "x", "-1", f"{N}x", f"+{N}", "99999999999999999999999"])
def test_lengths_that_make_no_sense_give_no_other_bytes(server, fetcher, lengths):
    def lies(asked):
        asked.close()
        asked.send(asked.headers(Content_Length=lengths), asked.body)
    server.fault = lies
    result = fetcher.get(AT, N)
    assert result.around and (result.fault != "fine" or result.got == DATA[AT:AT + N]), result


# ---- without end, and slow ----------------------------------------------------------------------

def endless(head, piece):
    """The head, then the piece until the client has gone."""
    def sends(asked):
        asked.send(head(asked) if callable(head) else head)
        while True:
            asked.send(piece)
    return sends


ENDLESS = {
    "a body in chunks": endless(lambda a: a.headers(Content_Length=None, Transfer_Encoding="chunked"),
                                chunked(bytes(4096), last="")),
    "a body up to the end of the connection": endless(lambda a: a.headers(Content_Length=None), bytes(4096)),
    "a body of a huge length": endless(lambda a: a.headers(Content_Length=1 << 62), bytes(4096)),
    "headers": endless(b"HTTP/1.1 206 x\r\n", b"X: " + b"y" * 100 + b"\r\n"),
    "short headers": endless(b"HTTP/1.1 206 x\r\n", b"X:\r\n"),
    "a header line": endless(b"HTTP/1.1 206 x\r\nX: ", b"y" * 4096),
    "a status line": endless(b"HTTP/1.1 206 ", b"y" * 4096),
    "interim answers": endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "trailers": endless(lambda a: in_chunks(a, last="0\r\n"), b"X: y\r\n"),
}


@pytest.mark.parametrize("name", ENDLESS)
def test_what_has_no_end_is_ended(server, fetcher, name):
    server.fault = ENDLESS[name]
    result = got(fetcher, "endless")
    assert result.seconds < SHORTEST_S and result.bytes <= N + (1 << 17)
    server.fault = None
    got(fetcher)


def test_headers_may_have_so_many_lines_and_bytes_and_no_more(server, fetcher):
    """FETCH_HEADER_LINES_MAX, FETCH_HEADERS_MAX."""
    for more, fault in ((0, "fine"), (1, "endless")):
        server.fault = lambda a, n=more: a.send(a.headers(X=["y"] * (64 + n - 5)) + a.body)
        got(fetcher, fault)
        server.fault = lambda a, n=more: a.send(a.headers(X="y" * (16384 + n - len(a.headers(X="")))) + a.body)
        got(fetcher, fault)


def drips(head, piece=b"x", every=0.05):
    def sends(asked):
        asked.send(head(asked) if callable(head) else head)
        while True:
            asked.wait(every)
            asked.send(piece)
    return sends


SLOW = {
    "no answer at all": lambda a: a.wait(60),
    "headers, then nothing": lambda a: a.send(a.headers()) or a.wait(60),
    "half of the body, then nothing": lambda a: a.send(a.headers(), a.body[:N // 2]) or a.wait(60),
    "headers a byte at a time": drips(b"HTTP/1.1 206 x\r\nX: "),
    "a body a byte at a time": drips(lambda a: a.headers()),
    "a chunk's extension without end": endless(lambda a: a.headers(
        Content_Length=None, Transfer_Encoding="chunked") + b"5;", b"x" * 100),
}


@pytest.mark.dealt
@pytest.mark.parametrize("name", SLOW)
def test_what_is_slower_than_the_least_speed_is_ended(server, name):
    server.fault = SLOW[name]
    with fetching(f"http://127.0.0.1:{server.port}", (2, 1000, 1, 60)) as fetcher:
        result = got(fetcher, "slow")
        assert 0.9 < result.seconds < SHORTEST_S + 1 and result.gap_ms < 1000


def test_a_body_just_above_the_least_speed_is_taken(server):
    server.fault = lambda asked: asked.send(asked.headers()) or [
        (asked.wait(0.1), asked.send(asked.body[i:i + 250])) for i in range(0, N, 250)]
    with fetching(f"http://127.0.0.1:{server.port}", (2, 1000, 1, 60)) as fetcher:
        assert got(fetcher).seconds > 1.5  # longer than what the least speed is measured over
    with fetching(f"http://127.0.0.1:{server.port}", (2, 5000, 1, 60)) as fetcher:
        got(fetcher, "slow")


def test_a_fetch_has_a_longest_time_however_fast_it_is(server):
    server.fault = drips(lambda a: a.headers(Content_Length=None, Transfer_Encoding="chunked"), b"1\r\nx\r\n" * 100)
    with fetching(f"http://127.0.0.1:{server.port}", (2, 10, 1, 2)) as fetcher:
        result = got(fetcher, "slow", n=100_000)
        assert 1.9 < result.seconds < SHORTEST_S + 2


def test_the_caller_ends_a_fetch_within_a_second(server):
    server.fault = lambda asked: asked.wait(60)
    with fetching(f"http://127.0.0.1:{server.port}", (2, 1, 60, 60)) as fetcher:
        assert got(fetcher, "stopped", calls=2).seconds < SHORTEST_S
        seen = len(server.requests)
        result = got(fetcher, "stopped", calls=0)
        assert result.calls == 1 and len(server.requests) == seen
        server.fault = None
        got(fetcher)


# ---- lost connections -----------------------------------------------------------------------------

def reset(asked):
    """Close so that the other side gets an error, not an end."""
    connection = asked.handler.connection
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


@pytest.mark.parametrize("how", ["closed", "reset"])
def test_a_connection_lost_anywhere_is_no_success(server, fetcher, how):
    ends = []

    def cut(asked):
        answer = asked.good()
        ends.append(len(answer))
        asked.send(answer[:place])
        asked.close()
        if how == "reset":
            reset(asked)
    server.fault = cut
    place = 0
    fetcher.get(AT, N)
    for place in [*range(0, ends[0] - N + 3), *range(ends[0] - N + 3, ends[0], 397), ends[0] - 2, ends[0] - 1]:
        result = fetcher.get(AT, N)
        assert result.fault in ("no answer", "short") and result.around, (place, result)
        assert how == "reset" or (result.fault == "no answer") == (place < len("HTTP/1.1 206 Partial Content\r\n")), place
    place = ends[0]
    if how == "closed":
        got(fetcher)


@contextmanager
def full():
    """A port that answers no attempt to connect: nobody accepts, and its queue is full."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = []
        for _ in range(4):
            one = socket.socket()
            one.setblocking(False)
            one.connect_ex(listener.getsockname())
            waiting.append(one)
        yield listener.getsockname()[1]
        for one in waiting:
            one.close()


def test_a_server_that_cannot_be_reached_is_no_answer(server):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        with fetching(f"http://127.0.0.1:{nobody.getsockname()[1]}") as fetcher:
            result = got(fetcher, "no answer")
            assert result.seconds < 1 and "cannot connect (no HTTP status" in result.said
    with full() as port, fetching(f"http://127.0.0.1:{port}", (1, 1000, 1, 20)) as fetcher:
        result = got(fetcher, "no answer")
        assert 0.9 < result.seconds < SHORTEST_S + 1 and result.gap_ms < 1000


# ---- what is asked for ------------------------------------------------------------------------------

@pytest.mark.parametrize("folder_name, file, at, n", [
    ("", "payload", 0, 1), ("1.0", "", 0, 1), ("..", "payload", 0, 1), (".", "payload", 0, 1), (".server", "pid", 0, 1),
    ("1.0", "../1.0/payload", 0, 1), ("1.0", "Payload", 0, 1), ("1.0", "pay load", 0, 1), ("1.0", "payload?x", 0, 1),
    ("1.0", "payload#x", 0, 1), ("1.0", "%70ayload", 0, 1), ("1.0", "payload\r", 0, 1), ("1.0", "p\xe4", 0, 1),
    ("1.0", "x" * 129, 0, 1), ("1.0", "payload", 0, 0), ("1.0", "payload", 1 << 63, 1), ("1.0", "payload", (1 << 63) - 5, 5),
    ("1.0", "payload", (1 << 64) - 1, 5)])
def test_what_is_no_plain_name_or_no_range_is_the_callers_mistake(server, fetcher, folder_name, file, at, n):
    result = fetcher.get(at, n, folder=folder_name, file=file)
    assert result.result == EARG and result.around and not server.requests
    got(fetcher)


def test_the_last_offset_and_the_longest_names_are_asked_for(server, fetcher):
    got(fetcher, "refused", at=(1 << 63) - 6, n=5)
    assert server.requests[-1][2:] == (f"bytes={(1 << 63) - 6}-{(1 << 63) - 2}", 416)
    got(fetcher, "refused", file="x" * 128)


@pytest.mark.dealt
@pytest.mark.parametrize("base", [
    "", "http://", "http:///x", "https://127.0.0.1", "ftp://127.0.0.1", "file:///etc", "127.0.0.1", "HTTP://127.0.0.1",
    "http://user@127.0.0.1", "http://user:secret@127.0.0.1", "http://127.0.0.1:", "http://127.0.0.1:0",
    "http://127.0.0.1:65536", "http://127.0.0.1:80x", "http://127.0.0.1:99999999999999999999", "http://127.0.0.1?x",
    "http://127.0.0.1/?x", "http://127.0.0.1/#x", "http://127.0.0.1/a b", "http://127.0.0.1//", "http://127.0.0.1/a//b",
    "http://127.0.0.1/..", "http://127.0.0.1/../a", "http://127.0.0.1/./a", "http://127.0.0.1/%2e%2e", "http://[::1",
    "http://[]", "http://[::1]x", "http://[g::1]", "http://a\\b", "http://a\r\nX: y", " http://a", "http://a " , "http://ä",
    "http://a/" + "x" * 1016])
def test_what_is_no_base_opens_nothing(base):
    assert Fetcher(program(), base).close() == 2


@pytest.mark.parametrize("base", [
    "http://a", "http://a/", "http://A.example:65535/x/y.z/", "http://127.0.0.1:1", "http://[::1]:80/x", "http://[fe80::1]",
    "http://a/...", "http://a/.x", "http://a/" + "x" * 1015])
def test_what_is_a_base_opens(base):
    assert Fetcher(program(), base).close() == 0


@pytest.mark.parametrize("limits", [(0, 1, 1, 1), (1, 0, 1, 1), (1, 1, 0, 1), (1, 1, 1, 0), (1 << 31, 1, 1, 1)])
def test_limits_of_nothing_or_too_much_open_nothing(limits):
    assert Fetcher(program(), "http://a", limits).close() == 2


# ---- a generator ------------------------------------------------------------------------------------

HEADER_END = re.compile(rb"\r?\n\r?\n")


def changed(dice, answer):
    """An answer with one to three small changes in its headers, or cut."""
    end = HEADER_END.search(answer).end()
    for _ in range(dice.randint(1, 3)):
        at = dice.randrange(end)
        kind = dice.randrange(6)
        if kind == 0:
            return answer[:dice.randrange(len(answer))]
        if kind == 1:
            answer = answer[:at] + bytes([dice.randrange(256)]) + answer[at + 1:]
        elif kind == 2:
            answer = answer[:at] + answer[at + 1:]
        elif kind == 3:
            answer = answer[:at] + dice.choice([b"\r", b"\n", b"0", b" ", b":", b"\0", b"9"]) + answer[at:]
        else:
            lines = answer[:end].split(b"\r\n")
            place = dice.randrange(len(lines))
            lines.insert(dice.randrange(len(lines)), lines[place] if kind == 4 else lines.pop(place))
            answer = b"\r\n".join(lines) + answer[end:]
    return answer


def test_no_small_change_of_an_answer_gives_other_bytes_than_it_carries(server, fetcher):
    """Where a change moves the end of the headers, the answer carries other bytes, which nothing but their hash
    can tell; in all other cases success means the file's bytes."""
    dice = random.Random(SEED)
    carried, fine, own, faults = [b""], 0, 0, set()

    def answers(asked):
        good = asked.good()
        carried[0] = changed(dice, good) if case else good
        asked.close()
        asked.send(carried[0])
    server.fault = answers
    for case in range(CASES + 1):
        result = fetcher.get(AT, N)
        assert result.around
        if not case:
            assert result.fault == "fine"  # what is not changed
        if result.fault != "fine":
            assert result.got == b""
            faults.add(result.fault)
            continue
        fine += 1
        answer = carried[0]
        end = HEADER_END.search(answer)
        assert end and f"bytes {AT}-{AT + N - 1}/".encode() in answer[:end.start()], (case, answer[:300])
        assert result.got == answer[end.end():][:N], (case, answer[:300])
        own += result.got == DATA[AT:AT + N]
    assert fine > CASES / 20 and own > fine / 2
    assert faults >= {"no answer", "short", "wrong range"}


def test_any_bytes_at_all_give_no_success(server, fetcher):
    dice = random.Random(SEED + " noise")

    def noise(asked):
        asked.close()
        begin = dice.choice([b"", b"HTTP/1.1 206 x\r\n", asked.headers()[:-2]])
        asked.send(begin, dice.randbytes(dice.randrange(300)), dice.choice([b"", b"\r\n\r\n"]))
    server.fault = noise
    for _ in range(CASES // 4):
        result = fetcher.get(AT, N)
        assert result.fault != "fine" and result.around, result


def test_the_hosts_library_does_the_same(server):
    """Native builds have that one, of another version and with all its features."""
    with fetching(f"http://127.0.0.1:{server.port}", by=with_the_hosts_library()) as fetcher:
        for name, (fault, answer) in (BAD | {name: ("fine", answer) for name, answer in GOOD.items()}).items():
            server.fault = lambda asked, give=answer: asked.send(give(asked))
            assert (name, got(fetcher, fault).fault) == (name, fault)
        for name, server.fault in ENDLESS.items():
            assert (name, got(fetcher, "endless").fault) == (name, "endless")


def test_threads_do_not_stay_behind(server):
    """The faults above end with their connections."""
    before = threading.active_count()
    server.fault = ENDLESS["headers"]
    with fetching(f"http://127.0.0.1:{server.port}") as fetcher:
        got(fetcher, "endless")
    deadline = 50
    while threading.active_count() > before and deadline:
        server.ending.wait(0.1)
        deadline -= 1
    assert deadline
