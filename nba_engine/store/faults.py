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
    found: NbaError
    if isinstance(error, apsw.FullError) or getattr(error, "errno", None) == 28:
        found = Exhausted(f"{path}: the disk is full")
    elif isinstance(error, apsw.NotADBError):
        found = FailedPrecondition(f"{path} is not a SQLite database")
    elif isinstance(error, apsw.CorruptError):
        found = FailedPrecondition(f"{path} is damaged: restore it from a backup")
    elif isinstance(error, _BUGS):
        found = NbaError(f"{path}: the database refused a statement ({_words(error)})")
    elif isinstance(error, apsw.ConnectionClosedError | apsw.CursorClosedError):
        found = Unavailable(f"{path} is closed")
    else:
        found = Unavailable(
            f"{path} cannot be read or written now: {_words(error)}; {_remedy(error)}"
        )
    found.__cause__ = error
    return found


def _words(error: BaseException) -> str:
    """What went wrong, as the operating system or SQLite says it."""
    words = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return f"{words[:1].lower()}{words[1:]}" if words else "an unknown fault"


def _remedy(error: BaseException) -> str:
    if isinstance(error, apsw.BusyError | apsw.LockedError):
        return "another process is at work on it: try again, or end that process"
    if isinstance(error, FileExistsError | NotADirectoryError):
        return f"a file stands where a folder should be ({error.filename}): move it away"
    if isinstance(error, apsw.IOError):
        return "check the disk"
    return "check that its folder exists and is writable, and that it is no folder itself"
