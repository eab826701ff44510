"""Driver errors become the engine's errors here; none gets out of the store."""

from __future__ import annotations

import errno
import os
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


_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_WRITING = {  # what SQLite answers when a file system has become read-only
    apsw.SQLITE_CANTOPEN,
    apsw.SQLITE_IOERR_WRITE,
    apsw.SQLITE_IOERR_TRUNCATE,
    apsw.SQLITE_IOERR_DELETE,
    apsw.SQLITE_IOERR_FSYNC,
    apsw.SQLITE_IOERR_SHMOPEN,
    apsw.SQLITE_IOERR_SHMSIZE,
}


def translated(error: BaseException, path: Path) -> BaseException:
    """What the caller should see for ``error``; errors that are not the driver's stay as they are.

    Disk full or read-only → `Exhausted`; damaged or foreign file → `FailedPrecondition`; locked,
    I/O errors and closed connections → `Unavailable`.
    """
    if not isinstance(error, DRIVER_ERRORS):
        return error
    found: NbaError
    if _is_read_only(error, path):
        found = Exhausted(f"{path} is read-only: nothing can be written until it is writable again")
    elif _is_full(error):
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


def _is_full(error: BaseException) -> bool:
    if isinstance(error, apsw.Error):
        return isinstance(error, apsw.FullError) or _result(error) == apsw.SQLITE_IOERR_SHMSIZE
    return getattr(error, "errno", None) in _NO_ROOM


def _is_read_only(error: BaseException, path: Path) -> bool:
    """Whether it is what a file, or a whole file system, does that takes no writes.

    SQLite does not say why a write failed. The file system does when its file is touched.
    """
    if isinstance(error, apsw.ReadOnlyError):
        return _result(error) != apsw.SQLITE_READONLY_DBMOVED
    if isinstance(error, apsw.IOError | apsw.CantOpenError) and _result(error) in _WRITING:
        try:
            os.utime(path if path.exists() else path.parent)
        except OSError as refused:
            return refused.errno == errno.EROFS
        return False
    return getattr(error, "errno", None) == errno.EROFS


def _result(error: apsw.Error) -> int:
    """SQLite's extended result code; 0: it was not SQLite's own error."""
    return int(getattr(error, "extendedresult", 0))


def _words(error: BaseException) -> str:
    """What went wrong, as the operating system or SQLite says it."""
    words = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return f"{words[:1].lower()}{words[1:]}" if words else "an unknown fault"


def _remedy(error: BaseException) -> str:
    if isinstance(error, apsw.ReadOnlyError):
        return "its file was moved or deleted: start the process again"
    if isinstance(error, apsw.BusyError | apsw.LockedError):
        return "another process is at work on it: try again, or end that process"
    if isinstance(error, FileExistsError | NotADirectoryError):
        return f"a file stands where a folder should be ({error.filename}): move it away"
    if isinstance(error, apsw.IOError):
        return "check the disk"
    return "check that its folder exists and is writable, and that it is no folder itself"
