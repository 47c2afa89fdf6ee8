# SPDX-License-Identifier: Apache-2.0
"""Kind: one damaged record hides the others. With any column of any row damaged, the others are shown, the damaged one
is shown as damaged and not trusted, and can be removed. The columns come from the database itself.
"""

import contextlib
import json
import shutil
import sqlite3

import pytest

import edges
from simulated import Fleet

KIND = "damaged records"
WHOLE = ("interval_s",)  # numbers whose range is known; of the others any value can be right


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    fleet = Fleet(tmp_path_factory.mktemp("records"))
    fleet.good, fleet.bad = fleet.enrolled("good"), fleet.enrolled("bad")
    for label in ("good", "bad"):
        assert fleet.kapu("attest", label).returncode == 0
    for gateway in fleet.gateways:
        gateway.end()
    yield fleet
    fleet.end()


@contextlib.contextmanager
def opened(path):
    """The last that closes it brings all into the one file."""
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        yield db


def columns(path, table: str, kinds=("BLOB", "TEXT")) -> list[str]:
    with opened(path) as db:
        return [row[1] for row in db.execute(f"PRAGMA table_info({table})") if row[2] in kinds or row[1] in WHOLE]


def damages(column: str) -> dict[str, str]:
    """By what it is, an expression."""
    if column in WHOLE:
        return {"zero": "0", "negative": "-1", "huge": "4294967296000"}
    return {"cut": f"substr({column}, 1, length({column}) - 1)", "empty": "x''", "longer": f"CAST({column} || 'x' AS BLOB)"}


def damage(path, table: str, column: str, how: str, where: str) -> bool:
    """Whether something of the row changed that a reader can see."""
    with opened(path) as db:
        before = db.execute(f"SELECT {column} FROM {table} WHERE {where}").fetchone()[0]
        db.execute(f"UPDATE {table} SET {column} = {how} WHERE {where} AND {column} IS NOT NULL")
        after = db.execute(f"SELECT {column} FROM {table} WHERE {where} OR {column} = {how}").fetchone()
    return before is not None and (after is None or after[0] != before)


def each_damage(fleet, table: str, where: str):
    """The store damaged in one place after the other."""
    path = fleet.operator.folder / "kapu.db"
    shutil.copy(path, fleet.folder / "whole.db")
    for column in columns(path, table):
        for what, how in damages(column).items():
            shutil.copy(fleet.folder / "whole.db", path)
            if damage(path, table, column, how, where):
                yield f"{table}.{column} {what}", column
    shutil.copy(fleet.folder / "whole.db", path)


@pytest.mark.share(4)
def test_a_damaged_gateway_is_shown_not_trusted_and_can_be_removed(world):
    # Not a part of what is believed of a gateway: a reason that is shown, and why an override was made.
    shown_only = ("reason", "without_record", "name")
    with edges.Cases(f"{KIND}: gateways") as cases:
        status, rows = world.kapu_json("fleet")
        cases.check(status == 0 and [row["trust"] for row in rows] == ["trusted"] * 2, f"control: {rows}")
        for what, column in each_damage(world, "gateway", f"name = '{world.bad.name}'"):
            done = world.kapu("fleet", "--json")
            rows = json.loads(done.stdout) if done.stdout else []
            good = [row for row in rows if row["gateway"] == world.good.name]
            bad = [row for row in rows if row["gateway"] != world.good.name]
            cases.check(len(good) == len(bad) == 1 and good[0]["trust"] == "trusted", f"{what}: {done}")
            if not bad or column in shown_only and "damaged" not in bad[0]["why"]:
                continue
            cases.check(done.returncode == 1 and bad[0]["trust"] == "not trusted" and "is damaged" in bad[0]["why"],
                        f"{what}: {done}")
            if column == "name":
                continue  # what can be given on a command line to name it is tested below
            for words in (("attest", world.bad.name), ("attest", "bad"), ("enroll", "--renew", "bad", "--timeout", "2")):
                asked = world.kapu(*words)
                cases.check(asked.returncode in (1, 3) and "damaged" in asked.stderr + asked.stdout, f"{what}: {asked}")
            removed = world.kapu("forget", "bad" if "cut" in what else world.bad.name)
            cases.check(removed.returncode == 0, f"{what}: {removed}")
            status, rows = world.kapu_json("fleet")
            cases.check(status == 0 and [row["gateway"] for row in rows] == [world.good.name], f"{what}: {rows}")
            (world.operator.folder / "labels").write_text(f"{world.good.name} good\n{world.bad.name} bad\n")


@pytest.mark.share(1)
def test_a_damaged_board_record_is_shown_vouches_for_nothing_and_can_be_removed(world):
    ueid, good_board = world.bad.facts["ueid"], world.good.facts["board"].replace("-", "")

    def is_good(row) -> bool:
        return row["board"].replace("-", "") == good_board
    with edges.Cases(f"{KIND}: boards") as cases:
        status, rows = world.kapu_json("board", "list")
        cases.check(status == 0 and [row["damaged"] for row in rows] == [False, False], f"control: {rows}")
        for what, column in each_damage(world, "board_record", f"ueid = x'{ueid}'"):
            status, rows = world.kapu_json("board", "list")
            good, bad = list(filter(is_good, rows)), [row for row in rows if not is_good(row)]
            cases.check(status == bad[0]["damaged"] and len(good) == len(bad) == 1 and not good[0]["damaged"], f"{what}: {rows}")
            if column == "platform" and "empty" not in what:
                continue  # any word
            cases.check(bad[0]["damaged"], f"{what}: {rows}")
            cases.check("DAMAGED" in world.kapu("board", "list").stdout, what)
            status, gateways = world.kapu_json("fleet")
            cases.check(world.good.name in [row["gateway"] for row in gateways if row["trust"] == "trusted"],
                        f"{what}: {gateways}")
            removed = world.kapu("board", "remove", bad[0]["board"])
            cases.check(removed.returncode == 0, f"{what}: {removed}")
            status, rows = world.kapu_json("board", "list")
            cases.check(status == 0 and list(map(is_good, rows)) == [True], f"{what}: {rows}")


def test_a_list_that_is_not_whole_does_not_look_so(world):
    """A store that fails in the middle: no JSON that could be read, and no "there are none"."""
    path = world.operator.folder / "kapu.db"
    with edges.Cases(f"{KIND}: lists") as cases:
        for words, table in ((("fleet",), "gateway"), (("board", "list"), "board_record"), (("audit",), "audit")):
            cases.check(world.kapu_json(*words)[0] == 0, f"control: {words}")
            shutil.copy(path, world.folder / "whole.db")
            with opened(path) as db:
                page = db.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()[0]
                size = db.execute("PRAGMA page_size").fetchone()[0]
            good = path.read_bytes()
            path.write_bytes(good[:size * (page - 1)] + b"\xff" * size + good[size * page:])
            for extra in ((), ("--json",)):
                done = world.kapu(*words, *extra)
                cases.check(done.returncode != 0 and "damaged" in done.stderr and "]" not in done.stdout and
                            "no " not in done.stdout, f"{words} {extra}: {done}")
            path.write_bytes(good)
