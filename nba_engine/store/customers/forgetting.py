"""Interactions that are too old to be kept are deleted, a batch at a time; aggregates stay.

Their ids go with them, so a repeat could no longer be told from something new. Therefore what took
place earlier than what is still kept is rejected.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import apsw
import msgspec

from nba_engine.domain import Forgotten
from nba_engine.errors import InvalidRequest, Violation
from nba_engine.store.customers.retained import kept_since
from nba_engine.store.faults import DRIVER_ERRORS, translated
from nba_engine.store.files import Readers
from nba_engine.store.writer import Writer

__all__ = ["StoredForgetting", "check_before"]

BATCH = 250  # deleted in one commit: some milliseconds
SPAN = 50_000  # looked at in one call

_OLD = """
SELECT id FROM interactions WHERE id > ?1 AND id <= ?1 + ?2 AND time < ?3 ORDER BY id LIMIT +?4
"""
_COUNT = "SELECT count(*) FROM interactions WHERE id > ?1 AND id <= ?1 + ?2 AND time < ?3"
_DELETE = "DELETE FROM interactions WHERE id IN (SELECT value FROM json_each(?))"


class StoredForgetting:
    """The verbs of `nba_engine.domain.Store` that forget interactions, on SQLite."""

    _path: Path
    _readers: Readers
    _writer: Writer

    def kept_since(self) -> float | None:
        """Interactions that took place earlier were forgotten; None: none ever was."""
        try:
            return kept_since(self._readers.connection())
        except DRIVER_ERRORS as error:
            raise translated(error, self._path) from error

    def forget_interactions(
        self, before: float, *, after: int = 0, dry_run: bool = False
    ) -> Forgotten:
        """Delete a batch of interactions that took place before. See `nba_engine.domain.Store`.

        They are looked for on a reading connection, so that writers wait for nothing but the
        deletion itself.
        """
        check_before(before)
        if not dry_run and not after:
            self._writer.submit(lambda connection: _keep_since(connection, before))
        try:
            return self._forget(before, after, dry_run=dry_run)
        except DRIVER_ERRORS as error:
            raise translated(error, self._path) from error

    def _forget(self, before: float, after: int, *, dry_run: bool) -> Forgotten:
        connection = self._readers.connection()
        last: int = connection.execute("SELECT coalesce(max(id), 0) FROM interactions").get
        more = after + SPAN
        if dry_run:
            count: int = connection.execute(_COUNT, (after, SPAN, before)).get
            return Forgotten(count=count, more=more if more < last else 0, last=last)
        rows = [row for (row,) in connection.execute(_OLD, (after, SPAN, before, BATCH))]
        if len(rows) == BATCH:
            more = rows[-1]
        if rows:
            self._writer.submit(lambda writing: _delete(writing, rows))
        return Forgotten(count=len(rows), more=more if more < last else 0, last=last)


def check_before(before: float) -> None:
    """Raise `InvalidRequest` for what is no time."""
    if not math.isfinite(before):
        raise InvalidRequest([Violation(field="before", description="must be a time")])


def _keep_since(connection: apsw.Connection, before: float) -> None:
    latest = kept_since(connection)
    if latest is None or latest < before:
        connection.execute("INSERT OR REPLACE INTO meta VALUES ('kept_since', ?)", (float(before),))


def _delete(connection: apsw.Connection, rows: Sequence[int]) -> None:
    connection.execute(_DELETE, (msgspec.json.encode(rows).decode(),))
