"""Driver errors become the engine's errors here; none gets out of the store."""

from __future__ import annotations

import psycopg
from psycopg import errors

from nba_engine.errors import Exhausted, InvalidRequest, NbaError, Unavailable, Violation

__all__ = ["is_race", "translated"]

# Another process was faster: the same again sees what it did.
_RACES = (errors.UniqueViolation, errors.SerializationFailure, errors.DeadlockDetected)


def is_race(error: BaseException) -> bool:
    """Whether the transaction was rolled back only for what another one did meanwhile."""
    return isinstance(error, _RACES)


def translated(error: BaseException, shown: str) -> BaseException:
    """What the caller should see for ``error``; errors that are not the driver's stay as they are.

    Disk full → `Exhausted`; text that PostgreSQL cannot hold → `InvalidRequest`; mistakes of ours
    → `NbaError`; everything else (away, stopping, no connection left, too slow, standby) →
    `Unavailable`. What the server says about a row is left out: it may repeat what is in it.
    """
    if not isinstance(error, psycopg.Error):
        return error
    found: NbaError
    words = _words(error)
    if isinstance(error, errors.DiskFull):
        found = Exhausted(f"{shown}: the disk is full")
    elif isinstance(error, psycopg.DataError):
        wrong = Violation(field="text", description="holds what PostgreSQL cannot store (NUL)")
        found = InvalidRequest([wrong])
    elif is_race(error) or isinstance(error, errors.ReadOnlySqlTransaction):
        found = Unavailable(f"{shown} cannot be written now: {words}")
    elif isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        found = Unavailable(f"{shown} cannot be reached now: {words}")
    else:
        found = NbaError(f"{shown}: the database refused a statement ({words})")
    found.__cause__ = error
    return found


def _words(error: psycopg.Error) -> str:
    """What kind of fault it was, in one line."""
    said = error.diag.message_primary if error.sqlstate else str(error).strip().split("\n")[0]
    return said or type(error).__name__
