"""What lies so far back that nobody asks for it: accounts of windows long over, old catalogs.

A window that was forgotten grants nothing any more: if a clock went back so far, what was used of it
would not count.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import apsw
import msgspec

from nba_engine.domain import ForgottenWindows, over_by, window_over
from nba_engine.store.customers import check_before
from nba_engine.store.faults import DRIVER_ERRORS, translated
from nba_engine.store.files import Readers
from nba_engine.store.writer import Writer

__all__ = ["StoredPast", "is_over", "windows_since"]

BATCH = 500  # deleted in one commit: some milliseconds
SPAN = 50_000  # looked at in one call

_SINCE = "SELECT value FROM meta WHERE key = 'windows_since'"
_LAST = "SELECT account FROM accounts WHERE account > ? ORDER BY account LIMIT 1 OFFSET ?"
_OVER = """
SELECT account FROM accounts
WHERE account > ?1 AND (?2 IS NULL OR account <= ?2) AND reserved = 0 AND (
  (account GLOB '*|[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]' AND substr(account, -10) <= ?3) OR
  (account GLOB '*|[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]Z'
   AND substr(account, -17) <= ?4))
ORDER BY account LIMIT +?5
"""
_DELETE = """
DELETE FROM accounts WHERE reserved = 0 AND account IN (SELECT value FROM json_each(?))
"""
# neither what is in force nor what is to come
_DELETE_CATALOG = """
DELETE FROM catalogs WHERE version = ?1 AND version NOT IN (
  SELECT version FROM publications WHERE sequence >= coalesce(
    (SELECT max(sequence) FROM publications WHERE switch_time <= ?2), 0))
"""


class StoredPast:
    """The verbs of `nba_engine.domain.Store` that forget windows and catalogs, on SQLite."""

    _path: Path
    _readers: Readers
    _writer: Writer

    def windows_since(self) -> float | None:
        """Accounts of calendar windows that ended earlier were forgotten; None: none ever was."""
        try:
            return windows_since(self._readers.connection())
        except DRIVER_ERRORS as error:
            raise translated(error, self._path) from error

    def forget_windows(
        self, before: float, *, after: str = "", dry_run: bool = False
    ) -> ForgottenWindows:
        """Delete a batch of accounts whose windows ended before. See `nba_engine.domain.Store`.

        They are looked for on a reading connection, so that writers wait for nothing but the
        deletion itself.
        """
        check_before(before)
        if not dry_run and not after:
            self._writer.submit(lambda connection: _keep_since(connection, before))
        try:
            connection = self._readers.connection()
            last: str | None = connection.execute(_LAST, (after, SPAN - 1)).get
            day, hour = over_by(before)
            most = SPAN if dry_run else BATCH
            names = [name for (name,) in connection.execute(_OVER, (after, last, day, hour, most))]
            if names and not dry_run:
                self._writer.submit(lambda writing: _delete(writing, names))
        except DRIVER_ERRORS as error:
            raise translated(error, self._path) from error
        more = names[-1] if len(names) == most else last or ""
        return ForgottenWindows(count=len(names), more=more)

    def forget_catalogs(self, versions: Sequence[str], *, now: float) -> int:
        """Delete stored catalogs, but those in force or to come; how many were there."""

        def change(connection: apsw.Connection) -> int:
            gone = 0
            for version in versions:
                connection.execute(_DELETE_CATALOG, (version, now))
                gone += connection.changes()
            return gone

        return self._writer.submit(change)


def windows_since(connection: apsw.Connection) -> float | None:
    """Accounts of calendar windows that ended earlier were forgotten; None: none ever was."""
    since: float | None = connection.execute(_SINCE).get
    return since


def is_over(account: str, before: float) -> bool:
    """Whether an account is of a calendar window that ended before."""
    over = window_over(account)
    return over is not None and over <= before


def _keep_since(connection: apsw.Connection, before: float) -> None:
    latest = windows_since(connection)
    if latest is None or latest < before:
        connection.execute("INSERT OR REPLACE INTO meta VALUES ('windows_since', ?)", (before,))


def _delete(connection: apsw.Connection, names: Sequence[str]) -> None:
    connection.execute(_DELETE, (msgspec.json.encode(names).decode(),))
