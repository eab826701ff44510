"""Group commit: isolation of changes, deadlines, full disks, closing."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from pathlib import Path

import apsw
import pytest

from nba_engine.domain import ProfileUpdate
from nba_engine.errors import Exhausted, NbaError, Unavailable
from nba_engine.store import SqliteStore, open_store
from nba_engine.store.files import lock_path
from nba_engine.store.lock import FileLock
from nba_engine.store.writer import LARGEST_GROUP, Writer


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[Writer]:
    connection = apsw.Connection(str(tmp_path / "t.db"))
    connection.pragma("journal_mode", "wal")
    connection.execute("CREATE TABLE t(x INTEGER PRIMARY KEY, y BLOB)")
    connection.close()
    writer = Writer(tmp_path / "t.db")
    yield writer
    writer.close()


def insert(number: int) -> Callable[[apsw.Connection], int]:
    def change(connection: apsw.Connection) -> int:
        connection.execute("INSERT INTO t VALUES (?, NULL)", (number,))
        return number

    return change


def rows(path: Path) -> list[int]:
    connection = apsw.Connection(str(path))
    found = [row for (row,) in connection.execute("SELECT x FROM t ORDER BY x")]
    connection.close()
    return found


class Gate:
    """A change that keeps the writer busy until it is opened."""

    def __init__(self, writer: Writer) -> None:
        self.reached = threading.Event()
        self.opened = threading.Event()
        self._thread = threading.Thread(target=writer.submit, args=(self._wait,))
        self._thread.start()
        assert self.reached.wait(10)

    def _wait(self, connection: apsw.Connection) -> None:
        self.reached.set()
        assert self.opened.wait(10)

    def open(self) -> None:
        self.opened.set()
        self._thread.join()


class Commits:
    """Counts the commits; refuses some, by their number from 1."""

    def __init__(self, writer: Writer, refused: Collection[int] = ()) -> None:
        self.seen = -1  # the commit of the hook itself
        self._refused = refused
        writer.submit(lambda connection: connection.set_commit_hook(self._hook))
        self.seen = 0

    def _hook(self) -> bool:
        self.seen += 1
        return self.seen in self._refused


def in_one_group(
    writer: Writer, changes: list[Callable[[apsw.Connection], int]]
) -> list[int | BaseException]:
    """Submit from one thread each while the writer is busy, so that they share a commit."""
    return called_in_one_group(writer, [partial(writer.submit, change) for change in changes])


def called_in_one_group(
    writer: Writer, calls: Sequence[Callable[[], int]]
) -> list[int | BaseException]:
    gate = Gate(writer)
    outcomes: list[int | BaseException] = [0] * len(calls)

    def submit(number: int) -> None:
        try:
            outcomes[number] = calls[number]()
        except BaseException as error:
            outcomes[number] = error

    threads = [threading.Thread(target=submit, args=(number,)) for number in range(len(calls))]
    for number, thread in enumerate(threads):
        thread.start()
        while writer.waiting() <= number:  # keeps their order
            time.sleep(0)
    gate.open()
    for thread in threads:
        thread.join()
    return outcomes


def test_changes_of_a_group_are_one_transaction(writer: Writer, tmp_path: Path) -> None:
    commits = Commits(writer)
    assert in_one_group(writer, [insert(n) for n in range(20)]) == list(range(20))
    assert rows(tmp_path / "t.db") == list(range(20))
    assert commits.seen == 2  # the gate, then the group


def test_changes_of_one_kind_are_made_together_and_each_alone_if_one_raises(
    writer: Writer, tmp_path: Path
) -> None:
    made: list[list[int]] = []

    def insert_all(connection: apsw.Connection, numbers: Sequence[int]) -> Sequence[int]:
        made.append(list(numbers))
        return [insert(number)(connection) for number in numbers]

    def calls(*numbers: int) -> Sequence[Callable[[], int]]:
        other = partial(writer.submit, insert(numbers[0] + 1))
        return [*[partial(writer.submit_to, insert_all, number) for number in numbers], other]

    assert called_in_one_group(writer, calls(10, 20, 30)) == [10, 20, 30, 11]
    assert made == [[10, 20, 30]]
    made.clear()
    first, twice, third, other = called_in_one_group(writer, calls(40, 10, 50))
    assert (first, third, other) == (40, 50, 41)
    assert isinstance(twice, NbaError)
    assert made == [[40, 10, 50], [40], [10], [50]]
    assert rows(tmp_path / "t.db") == [10, 11, 20, 30, 40, 41, 50]


def test_a_change_that_raises_leaves_the_others_alone(writer: Writer, tmp_path: Path) -> None:
    def broken(connection: apsw.Connection) -> int:
        insert(50)(connection)
        raise KeyError("mine")

    first, failed, twice, last = in_one_group(writer, [insert(1), broken, insert(1), insert(2)])
    assert (first, last) == (1, 2)
    assert isinstance(failed, KeyError)
    assert isinstance(twice, NbaError)
    assert not isinstance(twice, apsw.Error)
    assert rows(tmp_path / "t.db") == [1, 2]


def test_a_change_that_ends_the_transaction_leaves_the_others_alone(
    writer: Writer, tmp_path: Path
) -> None:
    def rolling_back(connection: apsw.Connection) -> int:
        connection.execute("ROLLBACK")
        raise apsw.IOError

    first, failed, last = in_one_group(writer, [insert(1), rolling_back, insert(2)])
    assert (first, last) == (1, 2)
    assert isinstance(failed, Unavailable)
    assert rows(tmp_path / "t.db") == [1, 2]


def test_a_change_that_does_not_fit_on_the_disk_leaves_the_others_alone(
    writer: Writer, tmp_path: Path
) -> None:
    writer.submit(lambda connection: connection.pragma("max_page_count", 60))

    def huge(connection: apsw.Connection) -> int:
        connection.execute("INSERT INTO t VALUES (9, zeroblob(1000000))")
        return 9

    first, failed, last = in_one_group(writer, [insert(1), huge, insert(2)])
    assert (first, last) == (1, 2)
    assert isinstance(failed, Exhausted)
    assert rows(tmp_path / "t.db") == [1, 2]


def test_a_commit_that_fails_is_tried_change_by_change(writer: Writer, tmp_path: Path) -> None:
    commits = Commits(writer, refused={2, 4})
    first, second, third = in_one_group(writer, [insert(n) for n in (1, 2, 3)])
    assert (first, third) == (1, 3)
    assert isinstance(second, NbaError)
    assert rows(tmp_path / "t.db") == [1, 3]
    assert commits.seen == 5  # the gate, the group, then each by itself


def test_more_changes_than_a_group_holds_all_arrive(writer: Writer, tmp_path: Path) -> None:
    count = LARGEST_GROUP + 20
    assert in_one_group(writer, [insert(n) for n in range(count)]) == list(range(count))
    assert rows(tmp_path / "t.db") == list(range(count))


def test_a_change_whose_time_is_up_before_it_began_is_never_done(
    writer: Writer, tmp_path: Path
) -> None:
    gate = Gate(writer)
    with pytest.raises(Unavailable, match="nothing was written"):
        writer.submit(insert(1), deadline=time.monotonic() + 0.01)
    gate.open()
    writer.submit(insert(2))
    assert rows(tmp_path / "t.db") == [2]


def test_a_change_whose_time_is_up_during_the_commit_says_so(
    writer: Writer, tmp_path: Path
) -> None:
    let_go = threading.Event()

    def slow(connection: apsw.Connection) -> None:
        insert(1)(connection)
        assert let_go.wait(10)

    with pytest.raises(Unavailable, match="outcome is unknown"):
        writer.submit(slow, deadline=time.monotonic() + 0.05)
    let_go.set()
    writer.submit(insert(2))
    assert rows(tmp_path / "t.db") == [1, 2]


def test_while_another_process_writes_callers_wait_no_longer_than_their_deadline(
    writer: Writer, tmp_path: Path
) -> None:
    other = FileLock(lock_path(tmp_path / "t.db"))
    with other, pytest.raises(Unavailable, match="nothing was written"):
        writer.submit(insert(1), deadline=time.monotonic() + 0.05)
    other.close()
    assert writer.submit(insert(2)) == 2
    assert rows(tmp_path / "t.db") == [2]


def test_closing_finishes_what_was_submitted(writer: Writer, tmp_path: Path) -> None:
    gate = Gate(writer)
    threads = [threading.Thread(target=writer.submit, args=(insert(n),)) for n in range(5)]
    for thread in threads:
        thread.start()
    while writer.waiting() < 5:
        time.sleep(0)
    closing = threading.Thread(target=writer.close)
    closing.start()
    gate.open()
    for thread in (*threads, closing):
        thread.join()
    assert rows(tmp_path / "t.db") == list(range(5))
    with pytest.raises(Unavailable, match="is closed"):
        writer.submit(insert(9))


def test_a_full_disk_is_exhausted_and_reads_go_on(tmp_path: Path) -> None:
    store = open_store(tmp_path / "nba.db")
    store.update([ProfileUpdate(identity="crm:1", attributes={"a": 1})])
    fill(store)
    with pytest.raises(Exhausted, match="disk is full"):
        store.update([ProfileUpdate(identity="crm:2", attributes={"a": "x" * 1_000_000})])
    assert store.customer("crm:2") is None
    assert store.customer("crm:1") is not None
    (state,) = store.update([ProfileUpdate(identity="crm:1", attributes={"a": 2})])
    assert state.attributes == {"a": 2}
    store.close()


def fill(store: SqliteStore) -> None:
    pages = store._writer.submit(lambda connection: connection.pragma("page_count"))
    store._writer.submit(lambda connection: connection.pragma("max_page_count", pages + 4))
