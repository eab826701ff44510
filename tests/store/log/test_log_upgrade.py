"""A log of format 3, with indexes instead of blocks of names: nothing is missed, nothing is left."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import apsw
import msgspec
import pytest

from nba_engine.store import LogReader, open_log, open_log_reader
from nba_engine.store.files import Format, open_file
from nba_engine.store.log import DECISIONS
from nba_engine.store.log.archive import ARCHIVED
from nba_engine.store.log.erasing import ERASED
from nba_engine.store.log.pruning import prune_log
from tests.store.log.test_names import DAY, blocks, erased, numbers, of, rows, write

VERSION_3 = Format(
    name=DECISIONS.name,
    application_id=DECISIONS.application_id,
    version=3,
    schema="""
    CREATE TABLE decisions(
      id INTEGER PRIMARY KEY,
      decision_id TEXT NOT NULL UNIQUE,
      time REAL NOT NULL,
      customer_id TEXT NOT NULL,
      identity TEXT NOT NULL,
      record BLOB NOT NULL
    ) STRICT;
    CREATE INDEX decisions_of_customer ON decisions(customer_id);
    CREATE INDEX decisions_of_identity ON decisions(identity);
    """
    + ARCHIVED
    + ERASED,
)


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A log of the release before, with six decisions of three customers."""
    path = tmp_path / "log.db"
    open_file(path, VERSION_3, create=True)
    with closing(apsw.Connection(str(path))) as connection, connection:
        insert_as_before(connection, range(1, 7))
    return path


def insert_as_before(connection: apsw.Connection, which: Sequence[int]) -> None:
    for number in which:
        one = of(number, f"customer-{number % 3}", f"crm:{number % 3}")
        encoded = msgspec.msgpack.encode(one)
        connection.execute(
            "INSERT INTO decisions(decision_id, time, customer_id, identity, record) "
            "VALUES (?, ?, ?, ?, ?)",
            (one.decision_id, one.time, one.customer_id, one.request.identity, encoded),
        )


@pytest.fixture
def reader(old: Path) -> Iterator[LogReader]:
    reader = open_log_reader(old)
    yield reader
    reader.close()


def test_a_log_of_the_version_before_is_brought_up_to_date(old: Path, reader: LogReader) -> None:
    made = rows(old, "SELECT name FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL")
    assert made == []
    assert rows(old, "PRAGMA user_version") == [(DECISIONS.version,)]
    assert numbers(reader.decisions_of(["customer-1"])) == [1, 4]
    with closing(open_log(old)) as log:
        write(log, of(7, "customer-1", "crm:1"), of(8, "customer-2", "crm:2"))
    assert numbers(reader.decisions_of(["crm:1"])) == [1, 4, 7]
    assert [block[:2] for block in blocks(old)] == [(7, 8)]
    prune_log(old, DAY)
    assert numbers(reader.decisions_of(["crm:1"])) == []


@pytest.mark.usefixtures("reader")
def test_what_a_process_of_the_release_before_still_writes_is_found(old: Path) -> None:
    with closing(open_log(old)) as log:
        for numbered in range(10, 40, 10):  # before, between and after blocks
            write(log, of(numbered, "customer-1", "crm:1"))
            with closing(apsw.Connection(str(old))) as connection, connection:
                insert_as_before(connection, range(numbered + 1, numbered + 4))
        assert numbers(log.decisions_of(["crm:1"])) == [1, 4, 10, 13, 20, 22, 30, 31]
        assert log.erase(erased("customer-1", "crm:1"))["decisions"] == 8
        assert len(numbers(log.decisions_of(["crm:0", "crm:2"]))) == 4 + 6


@pytest.mark.parametrize("known", [True, False])
def test_of_the_indexes_that_were_dropped_no_name_is_left(old: Path, known: bool) -> None:
    with closing(apsw.Connection(str(old))) as connection, connection:
        for numbered in range(100, 400):  # indexes of several pages
            insert_as_before(connection, [numbered])
    assert old.read_bytes().count(b"customer-1") > 100
    with closing(open_log(old)) as log:
        log.erase(erased("customer-1", "crm:1", known=known))
        data = old.read_bytes() + old.with_name(f"{old.name}-wal").read_bytes()
        assert b"customer-1" not in data
        assert b"crm:1" not in data
        assert len(numbers(log.decisions_of(["customer-2"]))) == 102
