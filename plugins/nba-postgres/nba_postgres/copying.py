"""An embedded store, taken over whole: `nba store copy`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import psycopg

from nba_engine.errors import FailedPrecondition
from nba_engine.store.backup import Table
from nba_postgres.connections import Connection
from nba_postgres.usage import read_report, recounted

__all__ = ["take_copy"]

_STEP = 5_000  # rows between two words on the progress
_FLAGS = {("erasures", "known")}  # numbers there, truth values here
# what is kept under names that nobody is behind; see `nba_postgres.finding`
_NOBODYS = """
INSERT INTO identities(identity, customer)
SELECT DISTINCT customer_id, NULL::bigint FROM reservations AS r
WHERE customer_id <> ''
  AND NOT EXISTS (SELECT FROM customers AS c WHERE c.customer_id = r.customer_id)
  AND NOT EXISTS (SELECT FROM merged AS m WHERE m.customer_id = r.customer_id)
ON CONFLICT DO NOTHING
"""
_NUMBERS = """
SELECT setval('customers_id', (SELECT coalesce(max(id), 0) + 1 FROM customers), false),
       setval('interactions_id', (SELECT coalesce(max(id), 0) + 1 FROM interactions), false),
       setval(pg_get_serial_sequence('links', 'id'), (SELECT coalesce(max(id), 0) + 1 FROM links),
              false)
"""
_CLOCKS = ("clock", "kept_since", "windows_since")


def take_copy(
    connection: Connection, tables: Sequence[Table], progress: Callable[[int], None], lock: int
) -> None:
    """Take all rows in one commit, and verify them. Raises `FailedPrecondition`, driver errors."""
    with connection.transaction():
        connection.execute("SET LOCAL statement_timeout = 0")
        connection.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (lock,))
        for table in tables:
            if table.name != "meta" and _count(connection, table.name):
                raise FailedPrecondition(f"the target is not empty: it has {table.name}")
        done = 0
        for table in tables:
            if table.name == "meta":
                _take_meta(connection, dict(table.rows))
            else:
                _take(connection, table, lambda rows, before=done: progress(before + rows))  # type: ignore[misc]
                found = _count(connection, table.name)
                if found != table.size:
                    raise FailedPrecondition(f"{table.name}: {found} of {table.size} rows arrived")
            done += table.size
            progress(done)
        connection.execute(_NOBODYS)
        connection.execute(_NUMBERS)
        if recounted(connection) != read_report(connection, ""):
            raise FailedPrecondition(
                "the counters of limits are not what the reservations come to: nba store check"
            )
    connection.execute("ANALYZE")


def _take(connection: Connection, table: Table, progress: Callable[[int], None]) -> None:
    columns = ", ".join(table.columns)
    flags = [(table.name, column) in _FLAGS for column in table.columns]
    into = psycopg.sql.SQL(f"COPY {table.name}({columns}) FROM STDIN")
    with connection.cursor() as cursor, cursor.copy(into) as copy:
        for number, row in enumerate(table.rows, 1):
            copy.write_row([bool(v) if flag else v for v, flag in zip(row, flags, strict=True)])
            if number % _STEP == 0:
                progress(number)


def _take_meta(connection: Connection, values: dict[str, Any]) -> None:
    """The clock and what was forgotten; digests are made with the same salt."""
    connection.execute("UPDATE meta SET bytes = %s WHERE key = 'salt'", (values["salt"],))
    for key in _CLOCKS:
        if values.get(key) is not None:
            row = (key, float(values[key]))
            connection.execute("INSERT INTO meta(key, value) VALUES (%s, %s)", row)


def _count(connection: Connection, table: str) -> int:
    query = psycopg.sql.SQL(f"SELECT count(*) FROM {table}")  # noqa: S608 - constants
    row: Any = connection.execute(query).fetchone()
    return int(row[0])
