"""What lies so far back that nobody asks for it: accounts of windows long over, old catalogs.

As in `nba_engine.store.ledger.past`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nba_engine.domain import ForgottenWindows, over_by
from nba_postgres.connections import Connection
from nba_postgres.session import Session

__all__ = ["delete_accounts", "delete_catalogs", "find_over", "keep_windows", "read_windows_since"]

BATCH = 500  # deleted in one commit: some milliseconds
SPAN = 50_000  # looked at in one call

_LAST = """
SELECT account FROM accounts WHERE account > %(after)s ORDER BY account LIMIT 1 OFFSET %(span)s - 1
"""
_OVER = r"""
SELECT account FROM accounts
WHERE account > %(after)s AND (%(last)s::text IS NULL OR account <= %(last)s) AND reserved = 0 AND (
  (account ~ '\|\d{4}-\d\d-\d\d$' AND right(account, 10) <= %(day)s COLLATE "C") OR
  (account ~ '\|\d{4}-\d\d-\d\dT\d\d:\d\dZ$' AND right(account, 17) <= %(hour)s COLLATE "C"))
ORDER BY account LIMIT %(most)s
"""
_KEEP = """
INSERT INTO meta(key, value) VALUES ('windows_since', %(before)s)
ON CONFLICT(key) DO UPDATE SET value = greatest(meta.value, excluded.value)
"""
_DELETE = "DELETE FROM accounts WHERE reserved = 0 AND account = ANY(%(names)s::text[])"
# neither what is in force nor what is to come
_DELETE_CATALOGS = """
DELETE FROM catalogs WHERE version = ANY(%(versions)s::text[]) AND version NOT IN (
  SELECT version FROM publications WHERE sequence >= coalesce(
    (SELECT max(sequence) FROM publications WHERE switch_time <= %(now)s), 0))
RETURNING 1
"""


def read_windows_since(connection: Connection) -> float | None:
    """Accounts of calendar windows that ended earlier were forgotten; None: none ever was."""
    row: Any = connection.execute("SELECT value FROM meta WHERE key = 'windows_since'").fetchone()
    return None if row is None else row[0]


def keep_windows(session: Session, before: float) -> None:
    """From now on windows that ended earlier grant nothing; with the store alone."""
    session.rows(_KEEP, before=float(before))


def find_over(
    connection: Connection, before: float, after: str, *, dry_run: bool
) -> tuple[ForgottenWindows, Sequence[str]]:
    """What a batch comes to, and the names of its accounts."""
    row: Any = connection.execute(_LAST, {"after": after, "span": SPAN}).fetchone()
    last = None if row is None else row[0]
    day, hour = over_by(before)
    most = SPAN if dry_run else BATCH
    values = {"after": after, "last": last, "day": day, "hour": hour, "most": most}
    found: Any = connection.execute(_OVER, values).fetchall()
    names = [name for (name,) in found]
    more = names[-1] if len(names) == most else last or ""
    return ForgottenWindows(count=len(names), more=more), names


def delete_accounts(session: Session, names: Sequence[str]) -> None:
    """Delete accounts that hold no reservation; with the store alone."""
    session.rows(_DELETE, names=names)


def delete_catalogs(session: Session, versions: Sequence[str], now: float) -> int:
    """Delete stored catalogs, but those in force or to come; how many were there."""
    return len(session.rows(_DELETE_CATALOGS, versions=list(versions), now=now))
