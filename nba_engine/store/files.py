"""Database files: opened, checked to be ours, created; one reading connection per thread."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Mapping
from pathlib import Path

import apsw
import msgspec

from nba_engine.errors import FailedPrecondition, InvalidRequest, NotFound, Violation
from nba_engine.store.faults import DRIVER_ERRORS, translated
from nba_engine.store.lock import FileLock, OpenMark

__all__ = ["Format", "Readers", "connect", "lock_path", "open_file", "path_of"]

# 3.7.0 to 3.51.2 can corrupt a WAL database that two or more connections write.
OLDEST_SQLITE = (3, 51, 3)
BUSY_MILLISECONDS = 5_000


class Format(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of database file: how to know it, and how to make it."""

    name: str  # for people: "nba-engine store"
    application_id: int
    version: int
    schema: str
    page_size: int = 4096  # bytes, of new files
    upgrades: Mapping[int, str] = {}  # version → what makes the next one of it

    @property
    def readable(self) -> frozenset[int]:
        """The versions of files that `open_file` opens: this one, and the one before if it upgrades."""
        return frozenset({self.version, *(v for v in self.upgrades if v + 1 == self.version)})


def path_of(path_or_url: str | Path) -> Path:
    """The file behind ``sqlite:data/nba.db``, ``sqlite:///var/nba.db`` or a plain path."""
    text = str(path_or_url).removeprefix("sqlite:")
    if text.startswith("///"):
        text = text[2:]
    if not text or text.startswith(("//", ":memory:")):
        raise InvalidRequest(
            [Violation(field="store.url", description=f"{path_or_url} names no file")]
        )
    return Path(text)


def lock_path(path: Path) -> Path:
    """The lock file beside a database file."""
    return path.with_name(path.name + ".lock")


def connect(path: Path, *, reading: bool) -> apsw.Connection:
    """A connection with the store's pragmas. Raises driver errors.

    Not memory-mapped: SQLite maps the file anew for the first read after each commit of another
    connection, which takes three times as long as reading the pages.
    """
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    connection.set_busy_timeout(BUSY_MILLISECONDS)
    if reading:
        connection.pragma("query_only", 1)
    else:
        connection.pragma("synchronous", "FULL")
        connection.pragma("temp_store", "MEMORY")  # what a statement keeps to undo itself
        connection.pragma("secure_delete", 1)  # what is erased is overwritten, not only let go
    return connection


def open_file(
    path: Path,
    kind: Format,
    *,
    create: bool,
    prepare: Callable[[apsw.Connection], None] | None = None,
) -> None:
    """Make sure that ``path`` is a file of this kind and version; create it if allowed.

    ``prepare`` runs in the creating transaction. Raises `NotFound`, `FailedPrecondition` (not
    ours, newer, damaged), `Unavailable`, `Exhausted`.
    """
    found = tuple(int(part) for part in apsw.sqlite_lib_version().split("."))
    if found < OLDEST_SQLITE:
        wanted = ".".join(map(str, OLDEST_SQLITE))
        raise FailedPrecondition(
            f"SQLite {apsw.sqlite_lib_version()} can corrupt databases with several writers; "
            f"install an apsw with SQLite {wanted} or later"
        )
    if not create and not path.exists():
        raise NotFound(f"{path} does not exist: check the path; nba import and nba serve make it")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(lock_path(path))
        try:
            with lock:
                _check_or_create(path, kind, prepare)
        finally:
            lock.close()
    except DRIVER_ERRORS as error:
        raise translated(error, path) from error


def _check_or_create(
    path: Path, kind: Format, prepare: Callable[[apsw.Connection], None] | None
) -> None:
    connection = apsw.Connection(str(path))
    try:
        connection.set_busy_timeout(BUSY_MILLISECONDS)
        connection.pragma("secure_delete", 1)  # upgrades drop what has names of people
        application_id = connection.pragma("application_id")
        version = connection.pragma("user_version")
        tables = connection.execute("SELECT count(*) FROM sqlite_schema").get
        if not tables and not application_id:
            connection.pragma("page_size", kind.page_size)
            connection.pragma("journal_mode", "wal")
            connection.pragma("synchronous", "FULL")
            with connection:
                connection.execute(kind.schema)
                if prepare is not None:
                    prepare(connection)
                connection.pragma("application_id", kind.application_id)
                connection.pragma("user_version", kind.version)
        elif application_id != kind.application_id:
            raise FailedPrecondition(f"{path} is a SQLite database, but not a {kind.name}")
        elif version not in kind.readable:
            raise FailedPrecondition(
                f"{path} has version {version} of the {kind.name}; this release reads "
                f"version {kind.version}"
            )
        elif version != kind.version:
            with connection:
                connection.execute(kind.upgrades[version])
                connection.pragma("user_version", kind.version)
    finally:
        connection.close()


class _Local(threading.local):
    connection: apsw.Connection | None = None
    cursor: apsw.Cursor | None = None


class Readers:
    """One reading connection per thread, opened on first use; no lock between threads.

    Nobody replaces the file before `close`.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._mark = OpenMark(path)
        except OSError as error:
            raise translated(error, path) from error
        self._local = _Local()
        self._opened: weakref.WeakSet[apsw.Connection] = weakref.WeakSet()
        self._lock = threading.Lock()
        self._closed = False

    def connection(self) -> apsw.Connection:
        """This thread's connection. Raises driver errors."""
        connection = self._local.connection
        return connection if connection is not None else self._open()

    def cursor(self) -> apsw.Cursor:
        """This thread's cursor, for what is read all the time: a new one each time costs more.

        Whoever uses it reads to the end, or the file stays as it was for this thread. Raises driver
        errors.
        """
        cursor = self._local.cursor
        if cursor is None:
            cursor = self._local.cursor = self.connection().cursor()
        return cursor

    def _open(self) -> apsw.Connection:
        with self._lock:
            if self._closed:
                raise apsw.ConnectionClosedError
            connection = connect(self._path, reading=True)
            self._opened.add(connection)
        self._local.connection = connection
        return connection

    def close(self) -> None:
        """Close every thread's connection; one in the middle of a read closes with its thread."""
        with self._lock:
            self._closed = True
            for connection in list(self._opened):
                try:
                    connection.close()
                except apsw.ThreadingViolationError:
                    continue
            self._mark.close()
