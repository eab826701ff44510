"""The tables of an embedded store, for a store of another kind to take over: `nba store copy`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

import apsw

from nba_engine.store.faults import DRIVER_ERRORS, translated
from nba_engine.store.files import open_file
from nba_engine.store.lock import alone
from nba_engine.store.schema import STORE

__all__ = ["Table", "TakesCopies", "copy_store", "is_simulated"]

# what stands for a row by its number alone is left out: every store numbers by itself
_TABLES = {
    "meta": "key, value",
    "customers": "id, customer_id, state, stamps",
    "identities": "identity, customer",
    "merged": "customer_id, customer",
    "links": "id, customer, time, source, identities, merged",
    "consent_history": "customer, consent, time, granted, source, identity",
    "interactions": (
        "id, interaction_id, customer, identity, type, time, recommendation_id, properties, recorded"
    ),
    "accounts": "account, limit_id, ceiling, reserved, spent, overrun, rolls",
    "spends": "account, time, falls, amount, overrun",
    "reservations": "reservation_id, decision_id, customer_id, status, expires, ended, holds",
    "decision_requests": (
        "request_id, fingerprint, decision_id, identity, until, expires, held, answer"
    ),
    "requests": "request, time, body",
    "progress": "name, value",
    "erasures": "sequence, erasure_id, time, before, known, counts, pending, kept, names, asked",
    "erased": "digest, sequence",
    "catalogs": "version, files",
    "publications": (
        "sequence, version, models, origin, author, comment, time, switch_time, folder"
    ),
}


class Table(NamedTuple):
    """A table: its columns, how many rows it has, and the rows, once."""

    name: str
    columns: tuple[str, ...]
    size: int
    rows: Iterator[tuple[Any, ...]]


@runtime_checkable
class TakesCopies(Protocol):
    """A store that can begin as a copy of an embedded one."""

    def take_copy(self, tables: Sequence[Table], progress: Callable[[int], None]) -> None:
        """Take all rows, in one commit, telling how many from time to time; verify them.

        Raises `FailedPrecondition` when the store is not empty, or when what it counts then is
        not what its reservations come to.
        """


def is_simulated(path: Path) -> bool:
    """Whether an embedded store was created as simulated. Raises like `open_store`."""
    open_file(path, STORE, create=False)
    try:
        with closing(_opened(path)) as connection:
            return bool(connection.execute("SELECT value FROM meta WHERE key = 'simulated'").get)
    except DRIVER_ERRORS as error:
        raise translated(error, path) from error


def copy_store(path: Path, target: TakesCopies, progress: Callable[[int, int], None]) -> int:
    """Copy an embedded store that nobody has open into an empty store; how many rows.

    ``progress`` is told (rows, of how many). Raises `FailedPrecondition` when somebody has it open,
    and what `TakesCopies.take_copy` raises.
    """
    open_file(path, STORE, create=False)
    try:
        with alone(path), closing(_opened(path)) as connection:
            tables = [_table(connection, name, text) for name, text in _TABLES.items()]
            total = sum(table.size for table in tables)
            target.take_copy(tables, lambda rows: progress(rows, total))
    except DRIVER_ERRORS as error:
        raise translated(error, path) from error
    return total


def _opened(path: Path) -> apsw.Connection:
    return apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)


def _table(connection: apsw.Connection, name: str, columns: str) -> Table:
    size: int = connection.execute(f"SELECT count(*) FROM {name}").get  # noqa: S608 - constants
    rows = connection.execute(f"SELECT {columns} FROM {name}")  # noqa: S608 - constants
    return Table(name, tuple(columns.split(", ")), size, rows)
