"""Backup of a store in use: whole or not at all, of one moment; and what a check finds."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import apsw
import pytest

from nba_engine.errors import FailedPrecondition
from nba_engine.store import check_log, check_store, open_log, restore
from tests.store.kept import NOW, Kept, filled, reserve
from tests.store.log.test_log import record


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    return filled(tmp_path)


@pytest.fixture
def backed_up(kept: Kept) -> Kept:
    kept.back_up()
    return kept


def test_a_backup_replaces_nothing(backed_up: Kept) -> None:
    with pytest.raises(FailedPrecondition, match="there already"):
        backed_up.back_up()


def test_a_damaged_store_is_told_of_when_it_is_backed_up(kept: Kept) -> None:
    connection = apsw.Connection(str(kept.path))
    page = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'customers'").get
    size = connection.pragma("page_size")
    connection.close()
    with kept.path.open("r+b") as file:
        file.seek((page - 1) * size + 3)
        file.write(b"\xff\xff")
    with pytest.raises(FailedPrecondition, match="damaged"):
        kept.back_up()
    assert not kept.out.exists()
    assert check_store(kept.path) != []


def test_the_check_counts_again_and_looks_where_things_lead(kept: Kept) -> None:
    connection = apsw.Connection(str(kept.path))
    connection.execute("UPDATE accounts SET spent = 7")
    connection.execute("DELETE FROM identities")
    connection.execute("UPDATE interactions SET customer = 77 WHERE interaction_id = 'i2'")
    connection.close()
    for file in kept.folder.rglob("*.parquet"):
        file.unlink()
    found = "\n".join(check_store(kept.path) + check_log(kept.log))
    assert (
        "account budget|all: 0 reserved and 7 spent, but its reservations come to 0 and 1" in found
    )
    assert "no identity leads to it" in found
    assert "interactions, row 2: what it names in customers is not there" in found
    assert "is gone, with 1 decisions" in found


def test_a_backup_is_of_one_moment_while_others_write(kept: Kept) -> None:
    store = kept.open()
    log = open_log(kept.log)
    done = threading.Event()
    acknowledged: list[int] = []

    def write() -> None:
        for number in range(10, 100_000):
            if done.is_set():
                return
            assert reserve(store, number, ceiling=10**6)
            log.append(record(number, decision_id=f"d{number}", time=NOW))
            acknowledged.append(number)

    writer = threading.Thread(target=write)
    writer.start()
    while len(acknowledged) < 20:
        done.wait(0.01)
    before = len(acknowledged)
    kept.back_up()
    after = len(acknowledged)
    done.set()
    writer.join()
    store.close()
    log.close()
    assert after > before + 20  # it did not stand in the way
    restore(kept.out, kept.path, kept.log, limits_of_backup=True)
    assert check_store(kept.path) == []
    count = kept.spent()["budget|all"][0]
    assert before <= count <= after + 1
    logged = {*kept.logged()}
    assert {f"d{number}" for number in range(10, 10 + count)} <= logged  # each has its decision


KILLED = """
import sys
from pathlib import Path
from nba_engine.store import back_up
store, log, out = map(Path, sys.argv[1:])
back_up(store, log, out, engine="1", progress=lambda done, total: print("copied", flush=True) or sys.stdin.read())
"""


@pytest.fixture
def killed(kept: Kept) -> Kept:
    """A backup that was killed in the middle."""
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, str(kept.path), str(kept.log), str(kept.out)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "copied\n"
        os.kill(process.pid, signal.SIGKILL)
    return kept


def test_a_backup_that_was_killed_is_not_there_and_leaves_nothing_in_the_way(killed: Kept) -> None:
    assert not killed.out.exists()
    killed.back_up()
    assert not list(killed.out.parent.glob(".*"))
    killed.restore()
    assert killed.logged() == ["d0", "d1", "d2"]
