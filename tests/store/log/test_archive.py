"""Decisions moved to Parquet: still found, in one place only, whenever the mover dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import apsw
import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pytest

from nba_engine.domain import DecisionRecord
from nba_engine.errors import Unavailable
from nba_engine.store import LogReader, Mover, open_log, open_log_reader
from nba_engine.store.log import archive
from tests.store.log.test_log import record

DAY = 86_400.0
DAYS, A_DAY = 3, 7  # decisions of three days
BEFORE = 2 * DAY  # the third day stays


def table_of(records: Sequence[DecisionRecord]) -> pa.Table:
    encode = msgspec.msgpack.encode
    return pa.table(
        {
            "decision_id": [one.decision_id for one in records],
            "time": [one.time for one in records],
            "customer_id": [one.customer_id for one in records],
            "identity": [one.request.identity for one in records],
            "record": pa.array([encode(one) for one in records], pa.binary()),
        }
    )


def records() -> list[DecisionRecord]:
    """Three days, 1 to 3 January 1970; ids are in the order of time."""
    return [
        record(n, decision_id=f"d{n:03}", time=n // A_DAY * DAY + n % A_DAY)
        for n in range(DAYS * A_DAY)
    ]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A log with the decisions of three days."""
    log = open_log(tmp_path / "log.db")
    for one in records():
        log.append(one)
    log.close()
    return tmp_path / "log.db"


@pytest.fixture
def reader(path: Path) -> Iterator[LogReader]:
    """A reader of that log."""
    reader = open_log_reader(path)
    yield reader
    reader.close()


def in_log(path: Path) -> list[str]:
    connection = apsw.Connection(str(path))
    found = [row[0] for row in connection.execute("SELECT decision_id FROM decisions ORDER BY id")]
    connection.close()
    return found


def files(path: Path) -> list[str]:
    folder = path.with_suffix("")
    return sorted(str(file.relative_to(folder)) for file in folder.rglob("*.parquet"))


def test_old_days_are_moved_and_every_decision_is_still_found(
    path: Path, reader: LogReader
) -> None:
    told: list[int] = []
    assert Mover(path, table_of).move(BEFORE, told.append) == 2 * A_DAY
    assert told == [A_DAY, A_DAY]
    assert files(path) == ["date=1970-01-01/d000.parquet", "date=1970-01-02/d007.parquet"]
    assert in_log(path) == [f"d{n:03}" for n in range(14, 21)]
    for one in records():
        assert reader.read(one.decision_id) == one
    assert reader.read("d999") is None
    assert list(reader.records()) == records()
    log = open_log(path)  # the engine's own reader
    assert log.read("d003") == records()[3]
    log.close()


def test_a_part_of_the_records_reaches_into_what_was_moved(path: Path, reader: LogReader) -> None:
    Mover(path, table_of).move(BEFORE)
    for since in (float("-inf"), 3.0, DAY + 2, 2 * DAY + 2, 9 * DAY):
        wanted = [one for one in records() if one.time >= since]
        assert reader.count(since=since) == len(wanted)
        assert list(reader.records(since=since)) == wanted
        for limit in (1, 3, 8, 14, 20, 50):
            assert list(reader.records(since=since, limit=limit)) == wanted[-limit:]


def test_moving_again_moves_nothing_and_what_is_logged_later_follows(
    path: Path, reader: LogReader
) -> None:
    mover = Mover(path, table_of)
    mover.move(BEFORE)
    assert mover.move(BEFORE) == 0
    assert mover.move(9 * DAY) == A_DAY
    assert in_log(path) == []
    later = record(99, decision_id="d099", time=5 * DAY)
    log = open_log(path)
    log.append(later)
    log.close()
    assert mover.move(9 * DAY) == 1
    assert list(reader.records()) == [*records(), later]


def test_a_long_day_becomes_several_files(
    path: Path, reader: LogReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "ROWS", 3)
    assert Mover(path, table_of).move(BEFORE) == 14
    assert len(files(path)) == 6
    assert list(reader.records()) == records()


def test_the_files_can_be_read_as_one_table_by_date(path: Path) -> None:
    Mover(path, table_of).move(BEFORE)
    table = ds.dataset(path.with_suffix(""), partitioning="hive").to_table()
    assert table.num_rows == 14
    assert Counter(table.column("date").to_pylist()) == {"1970-01-01": 7, "1970-01-02": 7}


def test_one_moves_at_a_time(path: Path) -> None:
    def meanwhile(found: Sequence[DecisionRecord]) -> pa.Table:
        others.append(Mover(path, table_of).move(BEFORE))
        return table_of(found)

    others: list[int] = []
    assert Mover(path, meanwhile).move(BEFORE) == 14
    assert others == [0, 0]


class Died(Exception):
    """What a process that dies at a step looks like from outside."""


@pytest.mark.parametrize("step", range(14))
def test_whatever_step_the_mover_dies_at_nothing_is_lost_or_doubled(
    path: Path, reader: LogReader, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = [0]

    def counted() -> None:
        steps[0] += 1
        if steps[0] == step + 1:
            raise Died

    def dying_table(found: Sequence[DecisionRecord]) -> pa.Table:
        counted()
        return table_of(found)

    rename, sync = Path.rename, archive._sync

    def dying_rename(self: Path, target: Path) -> Path:
        counted()
        return rename(self, target)

    def dying_sync(file: Path) -> None:
        counted()
        sync(file)
        counted()

    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", dying_rename)
        patched.setattr(archive, "_sync", dying_sync)
        with pytest.raises(Died):
            Mover(path, dying_table).move(BEFORE)
    assert list(reader.records()) == records()
    assert reader.count() == len(records())
    log = open_log(path)  # more comes in before it is finished
    log.append(record(99, decision_id="d0035", time=3.5))
    log.close()
    Mover(path, table_of).move(BEFORE)
    assert sorted(one.decision_id for one in reader.records()) == sorted(
        [*(one.decision_id for one in records()), "d0035"]
    )
    table = ds.dataset(path.with_suffix(""), partitioning="hive").to_table(columns=["decision_id"])
    moved = table.column("decision_id").to_pylist()
    assert len(moved) == len(set(moved))
    assert not set(moved) & set(in_log(path))


MOVING = """
import sys, time
sys.path[:0] = {path!r}
from tests.store.log.test_archive import *
archive.ROWS = 2
print("ready", flush=True)
mover = Mover(Path({log!r}), table_of)
mover.move(BEFORE, lambda rows: print(rows, flush=True))
"""


def test_a_mover_that_is_killed_again_and_again_loses_and_doubles_nothing(
    path: Path, reader: LogReader
) -> None:
    random = np.random.default_rng(4)
    program = MOVING.format(path=sys.path, log=str(path))
    kills = 0
    while True:
        process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
        assert process.stdout is not None
        for _ in range(1 + int(random.integers(0, 3))):  # ready, or after a file or two
            process.stdout.readline()
        os.kill(process.pid, signal.SIGKILL)
        process.stdout.close()
        killed = process.wait() == -signal.SIGKILL
        kills += killed
        assert list(reader.records()) == records()
        if not killed or len(in_log(path)) == A_DAY:
            break
    assert kills > 1
    Mover(path, table_of).move(BEFORE)
    assert in_log(path) == [f"d{n:03}" for n in range(14, 21)]
    moved = ds.dataset(path.with_suffix("")).to_table(columns=["decision_id"]).num_rows
    assert moved == 14


def test_a_file_that_somebody_took_away_is_told(path: Path, reader: LogReader) -> None:
    Mover(path, table_of).move(BEFORE)
    (path.with_suffix("") / "date=1970-01-01" / "d000.parquet").unlink()
    with pytest.raises(Unavailable, match=r"d000\.parquet"):
        reader.read("d003")
    assert reader.read("d008") == records()[8]
