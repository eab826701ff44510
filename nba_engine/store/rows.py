"""Many rows in one statement.

Each statement gives up the interpreter, and getting it back from the threads that wait for it
costs more than SQLite's own work. So that few texts have to be prepared and kept, lists are filled
up to a power of two with NULL, which is no name and no row.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from typing import Any

import apsw

__all__ = ["among", "put"]

_MOST = 256  # rows in one statement


def among(connection: apsw.Connection, sql: str, names: Sequence[str]) -> Iterator[Any]:
    """The rows of ``sql``, in which each ``{0}`` after ``IN`` stands for the list of names."""
    for start in range(0, len(names), _MOST):
        part = names[start : start + _MOST]
        size = _filled(len(part))
        values = part if size == len(part) else (*part, *[None] * (size - len(part)))
        yield from connection.execute(_with_list(sql, size), values).fetchall()


def put(connection: apsw.Connection, sql: str, rows: Sequence[tuple[Any, ...]]) -> None:
    """Run ``sql``, an ``INSERT INTO … {0}``, with these rows; no row begins with None."""
    for start in range(0, len(rows), _MOST):
        part = rows[start : start + _MOST]
        size = _filled(len(part))
        values = [value for row in part for value in row]
        values += [None] * (len(rows[0]) * (size - len(part)))
        connection.execute(_with_rows(sql, len(rows[0]), size), values)


def _filled(count: int) -> int:
    return 1 << (count - 1).bit_length()


@functools.cache
def _with_list(sql: str, size: int) -> str:
    return sql.format(f"({', '.join([f'?{number + 1}' for number in range(size)])})")


@functools.cache
def _with_rows(sql: str, width: int, size: int) -> str:
    row = f"({','.join('?' * width)})"
    if size == 1:
        return sql.format(f"VALUES {row}")
    return sql.format(
        f"SELECT * FROM (VALUES {','.join([row] * size)}) WHERE column1 IS NOT NULL"  # noqa: S608
    )
