"""Looks whether a store, and a decision log, are as they must be; changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

import apsw
import msgspec

from nba_engine.store.customers import decode_state
from nba_engine.store.faults import DRIVER_ERRORS, translated
from nba_engine.store.files import Format, connect, open_file
from nba_engine.store.ledger import read_report, recounted
from nba_engine.store.lock import OpenMark
from nba_engine.store.log import DECISIONS, archive_of, needs_pyarrow
from nba_engine.store.schema import STORE

__all__ = ["CHECKS", "check_log", "check_store", "faults_of"]

_MOST = 20  # findings of one kind

_STATES = "SELECT id, customer_id, state FROM customers ORDER BY id"
_NOBODY = """
SELECT customer_id FROM customers AS c
WHERE NOT EXISTS (SELECT 1 FROM identities AS i WHERE i.customer = c.id)
"""
_HOMELESS = """
SELECT r.reservation_id, h.key FROM reservations AS r, json_each(r.holds) AS h
WHERE r.status = 0 AND NOT EXISTS (SELECT 1 FROM accounts AS a WHERE a.account = h.key)
"""


def check_store(path: Path, checked: Callable[[str], None] = lambda _: None) -> list[str]:
    """What is wrong with a store, a sentence each; none: it is sound.

    May run while it is used. ``checked`` hears of each of `CHECKS`. Raises `NotFound`,
    `FailedPrecondition` (not a store), `Unavailable`.
    """
    return _checked(path, STORE, lambda connection: faults_of(connection, checked))


def check_log(path: Path, checked: Callable[[str], None] = lambda _: None) -> list[str]:
    """The same for a decision log, and the files that its decisions were moved to."""

    def find(connection: apsw.Connection) -> Iterator[str]:
        yield from _integrity(connection)
        for name, rows in connection.execute("SELECT file, rows FROM archived ORDER BY file"):
            yield from _file_faults(archive_of(path) / name, rows)
        checked("decision log")

    return _checked(path, DECISIONS, find)


def faults_of(
    connection: apsw.Connection, checked: Callable[[str], None] = lambda _: None
) -> Iterator[str]:
    """What is wrong with a store, as a connection sees it. Raises driver errors."""
    for name, find in _FINDERS.items():
        yield from islice(find(connection), _MOST)
        checked(name)


def _checked(
    path: Path, kind: Format, find: Callable[[apsw.Connection], Iterator[str]]
) -> list[str]:
    open_file(path, kind, create=False)
    try:
        mark = OpenMark(path)
        try:
            with closing(connect(path, reading=True)) as connection:
                connection.execute("BEGIN")  # one moment for all that is looked at
                return list(find(connection))
        finally:
            mark.close()
    except apsw.CorruptError as error:
        return [f"SQLite cannot read it: {error}"]
    except DRIVER_ERRORS as error:
        raise translated(error, path) from error


def _integrity(connection: apsw.Connection) -> Iterator[str]:
    for (found,) in connection.execute(f"PRAGMA integrity_check({_MOST})"):
        if found != "ok":
            yield f"SQLite: {found}"


def _references(connection: apsw.Connection) -> Iterator[str]:
    for table, row, other, _ in connection.execute("PRAGMA foreign_key_check"):
        yield f"{table}, row {row}: what it names in {other} is not there"


def _customers(connection: apsw.Connection) -> Iterator[str]:
    for row, customer_id, stored in connection.execute(_STATES):
        try:
            state = decode_state(stored)
        except msgspec.MsgspecError as error:
            yield f"customer {customer_id}: its state cannot be read ({error})"
            continue
        if state.customer_id != customer_id:
            yield f"customer {customer_id} (row {row}): its state is that of {state.customer_id}"
    for (customer_id,) in connection.execute(_NOBODY):
        yield f"customer {customer_id}: no identity leads to it"


def _counters(connection: apsw.Connection) -> Iterator[str]:
    counted = {one.account: one for one in recounted(connection)}
    for one in read_report(connection, ""):
        other = counted.get(one.account)
        reserved, spent = (0, 0) if other is None else (other.reserved, other.spent)
        if (one.reserved, one.spent) != (reserved, spent):
            yield (
                f"account {one.account}: {one.reserved} reserved and {one.spent} spent, "
                f"but its reservations come to {reserved} and {spent}"
            )
    for reservation, account in connection.execute(_HOMELESS):
        yield f"reservation {reservation}: its account {account} is not there"


def _file_faults(file: Path, rows: int) -> Iterator[str]:
    if not file.exists():
        yield f"{file} is gone, with {rows} decisions"
        return
    try:
        found: Any = needs_pyarrow().read_metadata(file).num_rows
    except (OSError, ValueError) as error:  # pyarrow's are of these
        yield f"{file} cannot be read: {error}"
        return
    if found != rows:
        yield f"{file} has {found} decisions instead of {rows}"


_FINDERS: dict[str, Callable[[apsw.Connection], Iterator[str]]] = {
    "integrity": _integrity,
    "references": _references,
    "customers": _customers,
    "counters": _counters,
}
CHECKS: tuple[str, ...] = (*_FINDERS, "decision log")
