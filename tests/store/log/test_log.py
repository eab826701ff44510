"""The decision log: queued records are readable, everything gets to the disk, nothing blocks."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import apsw
import msgspec
import pytest

from nba_engine.domain import (
    Answer,
    DecisionRecord,
    DecisionRequest,
    PlacementRequest,
    Recommendation,
)
from nba_engine.errors import Exhausted, FailedPrecondition, Unavailable
from nba_engine.store import SqliteLog, open_log
from nba_engine.store.files import lock_path
from nba_engine.store.lock import FileLock


def record(number: int, **changes: object) -> DecisionRecord:
    made = DecisionRecord(
        decision_id=f"d{number}",
        request=DecisionRequest(
            identity="crm:1",
            placements=(PlacementRequest("banner", 2),),
            context={"cart": ["milk"], "hour": 7},
        ),
        customer_id="c1",
        known=True,
        profile=b"\x80",
        time=1_000.0 + number,
        seed=2**63 + number,
        catalog_version="v1",
        model_versions={"propensity": "2017.1"},
        treatments=2,
        candidates=b"\x01\x00",
        scored=b"\x01\x00\x00\x00",
        propensities=b"\x00\x00\x80\x3e",
        total=12,
        dropped={"eligibility/not_eligible": 11},
        usage={"cap/c1": 1},
        answers=(Answer(reservation_id="d1-0", granted=True),),
        recommendations=(
            Recommendation(
                recommendation_id="d1-0",
                placement="banner",
                position=0,
                action="milk",
                treatment="milk.app",
                channel="app",
                content={"subject": "Milk"},
            ),
        ),
    )
    return msgspec.structs.replace(made, **changes)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.db"


@pytest.fixture
def log(path: Path) -> Iterator[SqliteLog]:
    log = open_log(path)
    yield log
    log.close()


class Blocked:
    """Keeps the log's thread from writing, as another process would."""

    def __init__(self, path: Path) -> None:
        self._lock = FileLock(lock_path(path))
        self._lock.__enter__()

    def __enter__(self) -> None:
        return

    def __exit__(self, *error: object) -> None:
        self._lock.__exit__(None, None, None)
        self._lock.close()


def test_a_record_is_read_back_as_it_was_appended(log: SqliteLog) -> None:
    log.append(record(1))
    log.flush()
    assert log.read("d1") == record(1)
    assert log.read("d2") is None
    assert log.read("d\ud800") is None


def test_a_record_is_readable_while_it_is_queued(log: SqliteLog, path: Path) -> None:
    with Blocked(path):
        log.append(record(1))
        assert log.read("d1") == record(1)
        assert [one.decision_id for one in log.recent()] == ["d1"]


def test_recent_gives_the_newest_first_queued_ones_included(log: SqliteLog, path: Path) -> None:
    for number in range(5):
        log.append(record(number))
    log.flush()
    with Blocked(path):
        log.append(record(5))
        log.append(record(6))
        assert [one.decision_id for one in log.recent(4)] == ["d6", "d5", "d4", "d3"]
        assert [one.decision_id for one in log.recent(1)] == ["d6"]
        assert log.recent(0) == []
        assert len(log.recent()) == 7


def test_what_was_flushed_is_in_the_file(log: SqliteLog, path: Path) -> None:
    log.append(record(1))
    log.flush()
    connection = apsw.Connection(str(path))
    encoded: bytes = connection.execute("SELECT record FROM decisions").get
    connection.close()
    assert msgspec.msgpack.decode(encoded, type=DecisionRecord) == record(1)


def test_commits_of_the_log_wait_for_the_disk(log: SqliteLog) -> None:
    assert log._connection.pragma("journal_mode") == "wal"
    assert log._connection.pragma("synchronous") == 2  # FULL


def test_flushing_an_empty_log_returns_at_once(log: SqliteLog) -> None:
    log.flush()


def test_records_get_to_the_disk_without_a_flush(log: SqliteLog, path: Path) -> None:
    log.append(record(1))
    wait_until(lambda: stored(path) == 1)


def stored(path: Path) -> int:
    connection = apsw.Connection(str(path))
    count: int = connection.execute("SELECT count(*) FROM decisions").get
    connection.close()
    return count


def wait_until(true: Callable[[], bool]) -> None:
    """Until the other thread got there; the test's timeout is the limit."""
    pause = threading.Event()
    while not true():
        pause.wait(0.005)


def test_closing_writes_what_is_queued(path: Path) -> None:
    log = open_log(path)
    for number in range(200):
        log.append(record(number))
    log.close()
    log.close()
    assert stored(path) == 200
    with pytest.raises(Unavailable, match="is closed"):
        log.append(record(1))
    with pytest.raises(Unavailable, match="is closed"):
        log.read("d1")
    with pytest.raises(Unavailable, match="is closed"):
        log.recent()
    again = open_log(path)
    assert again.read("d199") == record(199)
    again.close()


def test_a_record_appended_twice_is_stored_once(log: SqliteLog, path: Path) -> None:
    log.append(record(1))
    log.flush()
    log.append(record(1))
    log.append(record(2))
    log.flush()
    assert stored(path) == 2


def test_a_full_queue_is_exhausted_and_recovers(path: Path) -> None:
    log = open_log(path, queue=3)
    with Blocked(path):
        for number in range(3):
            log.append(record(number))
        with pytest.raises(Exhausted, match="3 records wait"):
            log.append(record(3))
    log.flush()
    log.append(record(3))
    log.close()
    assert stored(path) == 4
    assert log.lost == 0


def test_many_threads_lose_nothing(log: SqliteLog, path: Path) -> None:
    def append(base: int) -> None:
        for number in range(200):
            log.append(record(base + number))
            if number % 50 == 0:
                log.flush()

    threads = [threading.Thread(target=append, args=(1_000 * n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log.flush()
    assert stored(path) == 1_600


def test_a_record_that_cannot_be_encoded_is_counted_and_told(path: Path) -> None:
    told: list[BaseException] = []
    log = open_log(path, on_error=told.append)
    bad = record(1, prices={"x": object()})
    log.append(bad)
    log.append(record(2))
    log.flush()
    for wrong in (record(3, prices={"x": 2**70}), record(4, time=math.nan)):
        log.append(wrong)
    log.append(msgspec.structs.replace(bad, decision_id="d5"))
    log.append(record(6))
    log.flush()
    assert stored(path) == 2
    assert log.lost == 4
    assert [type(error) for error in told] == [TypeError, OverflowError, ValueError]
    log.close()


def test_a_disk_that_fails_for_a_while_loses_nothing(path: Path) -> None:
    told: list[BaseException] = []
    log = open_log(path, on_error=told.append)
    log.append(record(0))
    log.flush()
    log._connection.pragma("max_page_count", 8)
    large = record(1, profile=b"x" * 100_000)
    log.append(large)
    with pytest.raises(Exhausted, match="disk is full"):
        log.flush()
    assert log.read("d1") == large
    log._connection.pragma("max_page_count", 1_000)
    wait_until(lambda: stored(path) == 2)
    assert log.failures >= 1
    assert [type(error) for error in told] == [Exhausted]
    log.close()
    assert log.lost == 0


def test_records_that_could_not_be_written_before_closing_are_counted(path: Path) -> None:
    log = open_log(path)
    log.append(record(0))
    log.flush()
    log._connection.pragma("max_page_count", 8)
    log.append(record(1, profile=b"x" * 100_000))
    log.close()
    assert log.lost == 1
    assert log.failures >= 1
    assert stored(path) == 1


def test_two_logs_on_one_file_share_it(path: Path) -> None:
    one, other = open_log(path), open_log(path)
    for number in range(100):
        (one if number % 2 else other).append(record(number))
    one.flush()
    other.flush()
    assert one.read("d0") == record(0)
    assert len(one.recent(1_000)) == 100
    one.close()
    other.close()


def test_a_log_of_an_older_version_is_refused_in_one_sentence(path: Path) -> None:
    open_log(path).close()
    with apsw.Connection(str(path)) as connection:
        connection.pragma("user_version", 1)
    with pytest.raises(FailedPrecondition, match="has version 1 of the decision log"):
        open_log(path)
