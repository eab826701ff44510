"""Interactions that are too old to be kept are deleted, a batch at a time; aggregates stay."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nba_engine.domain import Forgotten
from nba_postgres.connections import Connection
from nba_postgres.session import Session

__all__ = ["delete", "find_old", "keep_since", "read_kept_since"]

BATCH = 250  # deleted in one commit: some milliseconds
SPAN = 50_000  # looked at in one call

_OLD = """
SELECT id FROM interactions WHERE id > %(after)s AND id <= %(after)s + %(span)s AND time < %(before)s
ORDER BY id LIMIT %(most)s
"""
_COUNT = """
SELECT count(*) FROM interactions
WHERE id > %(after)s AND id <= %(after)s + %(span)s AND time < %(before)s
"""
_KEEP = """
INSERT INTO meta(key, value) VALUES ('kept_since', %(before)s)
ON CONFLICT(key) DO UPDATE SET value = greatest(meta.value, excluded.value)
"""
_DELETE = "DELETE FROM interactions WHERE id = ANY(%(rows)s::bigint[])"


def read_kept_since(connection: Connection) -> float | None:
    """Interactions that took place earlier were forgotten; None: none ever was."""
    row: Any = connection.execute("SELECT value FROM meta WHERE key = 'kept_since'").fetchone()
    return None if row is None else row[0]


def keep_since(session: Session, before: float) -> None:
    """From now on what took place earlier is rejected; with the store alone."""
    session.rows(_KEEP, before=float(before))


def find_old(
    connection: Connection, before: float, after: int, *, dry_run: bool
) -> tuple[Forgotten, Sequence[int]]:
    """What a batch comes to, and the rows to be deleted."""
    found: Any = connection.execute("SELECT coalesce(max(id), 0) FROM interactions").fetchone()
    last, more = found[0], after + SPAN
    values = {"after": after, "span": SPAN, "before": before, "most": BATCH}
    rows: list[int] = []
    if dry_run:
        found = connection.execute(_COUNT, values).fetchone()
        count = int(found[0])
    else:
        rows = [row for (row,) in connection.execute(_OLD, values).fetchall()]  # type: ignore[misc]
        count = len(rows)
        if len(rows) == BATCH:
            more = rows[-1]
    return Forgotten(count=count, more=more if more < last else 0, last=last), rows


def delete(session: Session, rows: Sequence[int]) -> None:
    """Delete interactions."""
    session.rows(_DELETE, rows=rows)
