# SPDX-License-Identifier: Apache-2.0
"""tools/gateway as a command: what it prints and how it ends. No gateway is started."""

import json
import runpy
import subprocess

import pytest

from kapu.instance import Instance
from kapu.paths import ROOT
from test_instance import checkout  # noqa: F401  (a fixture)

GATEWAY = ROOT / "tools" / "gateway"


@pytest.fixture
def gateway(checkout, monkeypatch, capsys):  # noqa: F811
    """Run the command in an empty checkout; gives its exit status, output and errors."""
    def run(*words):
        monkeypatch.setattr("sys.argv", ["gateway", *words])
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(str(GATEWAY), run_name="__main__")
        output = capsys.readouterr()
        return ended.value.code, output.out, output.err

    run.checkout = checkout
    return run


def assert_refused(result, reason, status=1):
    assert result[0] == status and "error: " in result[2] and reason in result[2]
    assert "Traceback" not in result[2]


def test_create_prints_name_flavour_and_identity(gateway):
    status, out, err = gateway("create", "first")
    assert (status, err) == (0, "") and out.startswith("first: gateway flavour, identity ")


def test_status_is_json_for_programs(gateway):
    assert json.loads(gateway("status", "--json")[1]) == []
    for name in ("two", "one"):
        gateway("create", name, "--cores", "3")
    rows = json.loads(gateway("status", "--json")[1])
    assert [row["name"] for row in rows] == ["one", "two"]
    for row in rows:
        assert row["running"] is False and row["cores"] == 3 and row["flavour"] == "gateway"
        assert {"id", "mac", "console", "secure_console", "control"} <= row.keys()
    assert json.loads(gateway("status", "two", "--json")[1]) == rows[1:]


def test_status_for_people_has_a_line_for_each_gateway(gateway):
    assert "make one with: tools/gateway create NAME" in gateway("status")[1]
    gateway("create", "first")
    heading, line = gateway("status")[1].splitlines()
    assert heading.startswith("NAME") and line.split()[:4] == ["first", "off", "gateway", "2"]


@pytest.mark.parametrize("words, reason", [
    (["create", "../x"], "'../x' is no name for a gateway"),
    (["create", "first"], "exists already"),
    (["create", "other", "--flavour", "lab"], "lab is not built; run: tools/build lab"),
    (["start", "nobody"], "no gateway in"), (["stop", "nobody"], "no gateway in"),
    (["status", "nobody"], "no gateway in"), (["destroy", "nobody"], "no gateway in"),
    (["flash", "nobody"], "no gateway in"),
    (["reset", "first"], "is not running"),
    (["console", "first"], "first is not running; tools/gateway start first"),
])
def test_what_cannot_be_done_ends_with_status_1_and_an_error(gateway, words, reason):
    (gateway.checkout / "lab" / "firmware.fip").unlink()
    gateway("create", "first")
    assert_refused(gateway(*words), reason)


@pytest.mark.parametrize("words", [
    [], ["explode"], ["create"], ["start"], ["create", "first", "--cores", "1"],
    ["create", "first", "--cpu", "i486"], ["create", "first", "--flavour", "vanilla"],
])
def test_wrong_words_end_with_status_2_and_an_error(gateway, words):
    assert_refused(gateway(*words), "", status=2)


def test_destroy_deletes_a_gateway_that_is_off(gateway):
    gateway("create", "first")
    assert gateway("destroy", "first")[0] == 0
    assert json.loads(gateway("status", "--json")[1]) == []


@pytest.mark.parametrize("verb, advice", [
    ("destroy", "stop it first, or give --force"), ("flash", "tools/gateway stop first first"),
])
def test_a_gateway_that_runs_is_neither_destroyed_nor_flashed(gateway, monkeypatch, verb, advice):
    gateway("create", "first")
    with monkeypatch.context() as running:
        running.setattr("kapu.qemu.Machine.pid", lambda machine: 1)
        assert_refused(gateway(verb, "first"), f"first is running; {advice}")
    assert len(json.loads(gateway("status", "--json")[1])) == 1


def test_flash_says_which_build_the_board_has_now(gateway):
    gateway("create", "first")
    assert gateway("flash", "first")[:2] == (
        0, "first: ROM and both slots hold the current gateway build\n")


def test_stopping_a_gateway_that_is_off_is_no_error(gateway):
    gateway("create", "first")
    assert gateway("stop", "first")[:2] == (0, "first: off\n")


def test_run_makes_the_gateway_starts_it_and_attaches(gateway, monkeypatch):
    started = []
    monkeypatch.setattr("kapu.qemu.Machine.start", lambda machine: started.append(machine.folder))
    folder = gateway.checkout / "gateways" / "new"
    with pytest.raises(FileNotFoundError):  # no console: nothing was really started
        gateway("run", "new", "--flavour", "lab")
    assert started == [folder] and Instance(folder).facts["flavour"] == "lab"


def test_the_command_runs_from_any_folder(tmp_path):
    done = subprocess.run([GATEWAY, "status", "../x"], cwd=tmp_path, capture_output=True, text=True,
                          check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: '../x' is no name for a gateway")
