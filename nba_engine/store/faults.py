"""Driver errors become the engine's errors here; none gets out of the store."""

from __future__ import annotations

from pathlib import Path

import apsw

from nba_engine.errors import Exhausted, FailedPrecondition, NbaError, Unavailable

__all__ = ["DRIVER_ERRORS", "translated"]

DRIVER_ERRORS = (apsw.Error, OSError)

# Mistakes of ours, not of the disk: trying again later would not help.
_BUGS = (
    apsw.BindingsError,
    apsw.ConstraintError,
    apsw.MismatchError,
    apsw.MisuseError,
    apsw.RangeError,
    apsw.SQLError,
)


def translated(error: BaseException, path: Path) -> BaseException:
    """What the caller should see for ``error``; errors that are not the driver's stay as they are.

    Disk full → `Exhausted`; damaged or foreign file → `FailedPrecondition`; locked, read-only,
    I/O errors and closed connections → `Unavailable`.
    """
    if not isinstance(error, DRIVER_ERRORS):
        return error
    name = type(error).__name__
    found: NbaError
    if isinstance(error, apsw.FullError) or getattr(error, "errno", None) == 28:
        found = Exhausted(f"{path}: the disk is full")
    elif isinstance(error, apsw.NotADBError):
        found = FailedPrecondition(f"{path} is not a SQLite database")
    elif isinstance(error, apsw.CorruptError):
        found = FailedPrecondition(f"{path} is damaged: restore it from a backup")
    elif isinstance(error, _BUGS):
        found = NbaError(f"{path}: the database refused a statement ({name})")
    elif isinstance(error, apsw.ConnectionClosedError | apsw.CursorClosedError):
        found = Unavailable(f"{path} is closed")
    else:
        found = Unavailable(f"{path} cannot be read or written now ({name})")
    found.__cause__ = error
    return found
