# SPDX-License-Identifier: Apache-2.0
"""Kind: messages do not name the cause. Each refusal says which file, certificate or argument, why, and what to do."""

import datetime
import re
import socket
import sqlite3
import ssl
import subprocess
import threading

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

import edges
from kapu import broker
from kapu.paths import ROOT
from simulated import Fleet

KIND = "messages"
DAY = datetime.timedelta(days=1)
VECTORS = ROOT / "tests" / "vectors"


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    made = Fleet(tmp_path_factory.mktemp("messages"))
    yield made
    made.end()


def certify(folder, name, issuer, begin, end, names=broker.NAMES) -> None:
    """NAME.pem for NAME.key, which is made when there is none, by the authority."""
    path = folder / f"{name}.key"
    if not path.exists():
        broker.issue(folder, name, name)
    key = serialization.load_pem_private_key(path.read_bytes(), None)
    by = serialization.load_pem_private_key((folder / f"{issuer}.key").read_bytes(), None)
    ca = x509.load_pem_x509_certificate((folder / f"{issuer}.pem").read_bytes())
    now = datetime.datetime.utcnow()
    made = (x509.CertificateBuilder().subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(ca.subject).public_key(key.public_key()).serial_number(x509.random_serial_number())
            .not_valid_before(now + begin).not_valid_after(now + end)
            .add_extension(x509.SubjectAlternativeName(names), False).sign(by, hashes.SHA256()))
    (folder / f"{name}.pem").write_bytes(broker.pem(made))


class Peer:
    """What listens where the broker should."""

    def __init__(self, context=None, answer=b""):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port, self.context, self.answer = self.listener.getsockname()[1], context, answer
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self) -> None:
        while True:
            try:
                raw, _ = self.listener.accept()
            except OSError:
                return
            try:
                if self.context is None:
                    raw.sendall(self.answer)
                    raw.recv(4096)
                else:
                    self.context.wrap_socket(raw, server_side=True).recv(4096)
            except OSError:
                pass
            raw.close()

    def close(self) -> None:
        self.listener.close()


def context(folder, name, most=ssl.TLSVersion.TLSv1_3) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.maximum_version = most
    made.load_cert_chain(folder / f"{name}.pem", folder / f"{name}.key")
    return made


def said_of(fleet, peer: Peer | None) -> str:
    """What kapu says that was to connect to it."""
    conf = fleet.operator.folder / "operator.conf"
    good = conf.read_text()
    if peer:
        conf.write_text(re.sub(r"(?m)^enrolment-operators .*$", f"enrolment-operators {peer.port}", good))
    done = fleet.kapu("enroll", "--timeout", "1")
    conf.write_text(good)
    if peer:
        peer.close()
    assert done.returncode == 3 and not ("A TLS error" in done.stderr), done
    return done.stdout + done.stderr


def test_a_connection_that_fails_names_the_certificate_and_the_reason(fleet, tmp_path):
    folder = fleet.operator.folder
    for name in ("broker", "ca"):
        for end in (".pem", ".key"):
            (tmp_path / f"{name}{end}").write_bytes((folder / f"{name}{end}").read_bytes())
    broker.issue(tmp_path, "stranger", "a stranger")
    certify(tmp_path, "old", "ca", -9 * DAY, -DAY)
    certify(tmp_path, "new", "ca", 9 * DAY, 99 * DAY)
    certify(tmp_path, "foreign", "stranger", -DAY, 9 * DAY)
    certify(tmp_path, "elsewhere", "ca", -DAY, 9 * DAY, [x509.DNSName("elsewhere")])
    peers = {
        "ran out": (context(tmp_path, "old"), ("/CN=old ran out on", "clock says")),
        "to come": (context(tmp_path, "new"), ("/CN=new is not valid before", "set the clock")),
        "other authority": (context(tmp_path, "foreign"), ("/CN=foreign was issued by /CN=a stranger", "ca.pem")),
        "another's": (context(tmp_path, "elsewhere"), ("/CN=elsewhere is not one for 127.0.0.1",)),
        "TLS 1.2": (context(tmp_path, "broker", ssl.TLSVersion.TLSv1_2), ("does not speak TLS 1.3",)),
        "HTTP": (None, ("does not speak TLS",)),
    }
    with edges.Cases(f"{KIND}: TLS") as cases:
        said = said_of(fleet, None)
        cases.check("no gateway said hello" in said, f"control: {said}")
        for what, (peer, told) in peers.items():
            said = said_of(fleet, Peer(peer, b"HTTP/1.0 400 Bad Request\r\n\r\n"))
            cases.check(all(part in said for part in told), f"{what}: {said}")
        own = {end: (folder / f"kapu{end}").read_bytes() for end in (".pem", ".key")}
        for what, issuer, begin, end, told in (
                ("own, ran out", "staff-ca", -9 * DAY, -DAY, ("kapu.pem, line 1", "ran out on", "make a new one")),
                ("own, to come", "staff-ca", DAY, 9 * DAY, ("kapu.pem, line 1", "not valid before", "set the clock")),
                ("own, other authority", "ca", -DAY, 9 * DAY, ("the broker refuses", "staff-ca.pem"))):
            certify(folder, "kapu", issuer, begin, end)
            said = said_of(fleet, None)
            cases.check(all(part in said for part in told), f"{what}: {said}")
        (folder / "kapu.pem").write_bytes(own[".pem"])
        (folder / "kapu.key").write_bytes((folder / "broker.key").read_bytes())
        said = said_of(fleet, None)
        cases.check("kapu.key: is not the key of the certificate in" in said, f"mismatched key: {said}")
        (folder / "kapu.key").write_bytes(own[".key"])
        said = said_of(fleet, None)
        cases.check("no gateway said hello" in said, f"control after it: {said}")


def test_a_chain_that_is_not_whole_names_who_is_missing(fleet):
    """The control is each enrolment of the other tests."""
    with edges.Cases(f"{KIND}: chain") as cases:
        gateway = fleet.gateway("foreign", genuine=False)
        path = fleet.operator.folder / "ek-cas.pem"
        good = path.read_bytes()
        path.write_bytes((fleet.operator.folder / "ca.pem").read_bytes())
        done = fleet.kapu("enroll", gateway.name, "--timeout", "10")
        path.write_bytes(good)
        cases.check(done.returncode == 1 and re.search(r"was issued by \S.*, whose certificate is not in ek-cas.pem",
                                                       done.stdout) is not None, f"{done}")


# Values that no option of the kind takes.
BAD = {"SECONDS": ("0", "60s", "-1", "1e3", "86401"), "TEXT": ("\u00fcn\u00efcode", "", "a\tb"), "UUID": ("1234", "x"),
       "N": ("-1", "x", "")}
ELSEWHERE = {"release": "tests/unit/test_release_cli.py, test_release_order.py", "update": "tests/operator/test_update.py",
             "factory": "tests/unit/test_factory.py", "inspect": "tests/e2e/test_inspect.py"}


def test_arguments_that_are_wrong_are_named(fleet):
    """Each command, each option with a value of a kind: the reason comes before the usage."""
    with edges.Cases(f"{KIND}: arguments") as cases:
        usages = edges.usages(fleet.kapu_program)
        commands = edges.commands(fleet.kapu_program)
        cases.check(set(ELSEWHERE) < set(commands), f"{commands}")
        for command, usage in usages.items():
            words = command.split()
            for arguments in (["--no-such-option"], ["one", "two", "three"]):
                if words[0] in ("release", "factory", "update", "inspect", "evidence", "reference") and \
                        arguments[0] == "one":
                    continue
                if command in ("board add",) and arguments[0] == "one":
                    continue  # which it takes
                done = subprocess.run([fleet.kapu_program, *words, *arguments, "--operator", fleet.operator.folder],
                                      capture_output=True, text=True, check=False)
                first = done.stderr.splitlines()[0] if done.stderr else ""
                cases.check(done.returncode in (1, 2) and not done.stdout and first != "" and "usage:" not in first,
                            f"{command} {arguments}: {done}")
            if words[0] in ELSEWHERE:
                continue
            for option, kind in re.findall(r"(--[a-z-]+) \[?([A-Z]+)", usage):
                for value in BAD.get(kind, ()):
                    done = fleet.kapu(*words, f"{option}={value}", *(["--reason=x"] if option == "--name" else []))
                    cases.check(done.returncode == 2 and f"{option} takes " in done.stderr and not done.stdout,
                                f"{command} {option}={value}: {done}")


def test_files_of_another_format_are_recognised(fleet, tmp_path):
    foreign = {"a CoRIM": b"\xd9\x01\xf5\xd9\x01\xf6\xd2\x84", "a CWT": b"\xd8\x3d\xd2\x84\x43\xa1\x01\x26",
               "JSON": b'{"eat_profile": "x"}', "DER": b"\x30\x82\x01\x02", "PEM": b"-----BEGIN X-----\n",
               "a JSON Web Token": b"eyJhbGciOiJFUzI1NiJ9.e30.x", "an SQLite database": b"SQLite format 3\0"}
    commands = {("evidence", "show"): 2, ("reference", "add"): 1, ("board", "add"): 1, ("release", "show"): 1}
    with edges.Cases(f"{KIND}: formats") as cases:
        for words, status in commands.items():
            for what, data in foreign.items():
                path = tmp_path / "file"
                path.write_bytes(data)
                folder = ["--operator", fleet.operator.folder] if words[0] in ("reference", "board") else []
                done = subprocess.run([fleet.kapu_program, *words, path, *folder], capture_output=True, text=True,
                                      check=False)
                cases.check(done.returncode == status and f"it seems to be {what}" in done.stderr and
                            str(path) in done.stderr, f"{words} {what}: {done}")
        good = VECTORS / "evidence" / "clean.message"
        done = subprocess.run([fleet.kapu_program, "evidence", "show", good], capture_output=True, text=True, check=False)
        cases.check(done.returncode == 0 and not done.stderr, f"control: {done}")
        zeros = tmp_path / "zeros"
        for size, told in ((100, "neither an ELF core nor raw memory"), (10, "too small"), (0, "too small")):
            zeros.write_bytes(bytes(size))
            for name in ("kernel.profile", "allow.list"):
                (tmp_path / name).write_bytes(b"x")
            done = subprocess.run([fleet.kapu_program, "inspect", "--release", tmp_path, zeros], capture_output=True,
                                  text=True, check=False)
            cases.check(done.returncode == 2 and told in done.stderr and str(zeros) in done.stderr, f"{size}: {done}")
        zeros.write_bytes(bytes(4096))
        done = subprocess.run([fleet.kapu_program, "inspect", "--release", tmp_path, zeros], capture_output=True, text=True,
                              check=False)
        cases.check(done.returncode == 2 and f"{tmp_path}/kernel.profile: is not a kernel profile, or its" in done.stderr,
                    f"{done}")
        (tmp_path / "allow.list").write_bytes(b"")
        done = subprocess.run([fleet.kapu_program, "inspect", "--release", tmp_path, "--allow", tmp_path / "allow.list",
                               zeros], capture_output=True, text=True, check=False)
        cases.check(done.returncode == 2 and f"{tmp_path}/allow.list: is empty" in done.stderr, f"{done}")
        done = subprocess.run([fleet.kapu_program, "evidence", "show", tmp_path], capture_output=True, text=True, check=False)
        cases.check(done.returncode == 2 and "Is a directory" in done.stderr, f"{done}")


def test_what_is_wrong_with_the_store_is_said_once(fleet):
    path = fleet.operator.folder / "kapu.db"
    with edges.Cases(f"{KIND}: store") as cases:
        done = fleet.kapu("fleet")
        cases.check(done.returncode in (0, 1) and not done.stderr, f"control: {done}")
        sqlite3.connect(path).close()
        good = path.read_bytes()
        for what, data, told in (("other", b"no database" * 400, "is damaged, or not a store"),
                                 ("cut", good[:5000], "is damaged, or not a store")):
            path.write_bytes(data)
            done = fleet.kapu("fleet")
            cases.check(done.returncode == 3 and told in done.stderr and done.stderr.count("kapu.db") == 1,
                        f"{what}: {done}")
        path.write_bytes(good)
        done = fleet.kapu("fleet")
        cases.check(done.returncode in (0, 1) and not done.stderr, f"control after it: {done}")
