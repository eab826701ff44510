"""Nothing of a deleted row stays in a database file: pages are cleaned, the write-ahead log emptied.

SQLite overwrites what is deleted (``secure_delete``), but when it splits or joins pages, copies of
rows stay behind in the part of a page that is not allocated to anything, and are not overwritten
when the row itself is deleted. ``VACUUM`` would write the whole database anew, and keep writers
waiting for it. So the unallocated parts are overwritten where they lie, some pages at a time:

1. While nobody writes (the lock file, and SQLite's own write lock), the write-ahead log is moved
   into the database and emptied, so that the file is all there is.
2. The gaps of B-tree pages (https://sqlite.org/fileformat2.html#b_tree_pages) are overwritten with
   zeros. SQLite never reads them; a page that is torn by a power cut has the same rows either way.
3. A commit that changes nothing lets every other connection forget the pages it has in memory: it
   would write them back with what was in their gaps.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import apsw

from nba_engine.errors import FailedPrecondition, Unavailable
from nba_engine.store.faults import DRIVER_ERRORS, translated
from nba_engine.store.files import connect, lock_path
from nba_engine.store.lock import FileLock

__all__ = ["scrub"]

PAGES = 2_000  # while others wait: some 20 ms
_READERS_MILLISECONDS = 100  # how long writers wait for a reader of an older moment
_TRIES, _PAUSE = 20, 0.25  # seconds
_BREATH = 0.01  # seconds in which writers have their turn
_LARGEST = 1 << 25  # pages: 137 GB
_TRUNCATE = apsw.SQLITE_CHECKPOINT_TRUNCATE
_OPEN = (apsw.SQLITE_OPEN_MAIN_DB | apsw.SQLITE_OPEN_READWRITE, 0)
_INTERIOR, _LEAVES = (2, 5), (10, 13)


def scrub(path: Path, *, stop: Callable[[], bool] = lambda: False) -> None:
    """Leave nothing of deleted rows in a database file; others may read and write meanwhile.

    ``stop`` is asked between pieces. Raises `Unavailable` (stopped, or somebody reads an older
    moment for long, as a backup does), `Exhausted`.
    """
    first: int | None = 0
    try:
        lock = FileLock(lock_path(path))
        try:
            while first is not None:
                if stop():
                    raise Unavailable(f"{path}: overwriting deleted rows was stopped")
                first = _clean(path, lock, first)
                time.sleep(_BREATH)  # a lock that is taken again at once is nobody else's
            with lock, closing(_connected(path)) as connection:
                _empty_log(connection)
        finally:
            lock.close()
    except DRIVER_ERRORS as error:
        raise translated(error, path) from error


def _clean(path: Path, lock: FileLock, first: int) -> int | None:
    """Clean some pages; the number of the next one, None at the end."""
    for tries in range(_TRIES, 0, -1):
        try:
            with lock:
                return _clean_locked(path, first)
        except apsw.BusyError:
            if tries == 1:
                raise
            time.sleep(_PAUSE)  # writers go on meanwhile
    return None


def _clean_locked(path: Path, first: int) -> int | None:
    with closing(_connected(path)) as holding:
        _empty_log(holding)
        holding.execute("BEGIN IMMEDIATE")
        count, size = holding.pragma("page_count"), holding.pragma("page_size")
        if count >= _LARGEST:
            raise FailedPrecondition(f"{path} is too large to overwrite deleted rows: VACUUM it")
        last = min(count, first + PAGES)
        # through SQLite: closing a file of our own would end the locks of all its connections
        file = apsw.VFSFile("", str(path.absolute()), [*_OPEN])
        try:
            for number in range(first, last):
                page = file.xRead(size, number * size)
                start, end = _gap(page, 100 if number == 0 else 0)
                if page.count(0, start, end) != end - start:
                    file.xWrite(bytes(end - start), number * size + start)
            file.xSync(apsw.SQLITE_SYNC_FULL)
        finally:
            file.xClose()
        holding.execute("ROLLBACK")
    with closing(_connected(path)) as fresh:  # holding has pages in memory, too
        fresh.pragma("user_version", fresh.pragma("user_version"))
    return None if last >= count else last


def _gap(page: bytes, header: int) -> tuple[int, int]:
    """Where a page's unallocated part begins and ends; nothing of a page that is no B-tree's.

    Those begin with zeros, or with the number of another page, whose first byte is 0 or 1 in files
    of fewer than 2²⁵ pages.
    """
    kind = page[header]
    if kind not in (*_INTERIOR, *_LEAVES):
        return 0, 0
    cells = int.from_bytes(page[header + 3 : header + 5])
    content = int.from_bytes(page[header + 5 : header + 7]) or 65_536
    start = header + (12 if kind in _INTERIOR else 8) + 2 * cells
    if not start <= content <= len(page):
        return 0, 0
    return start, content


def _connected(path: Path) -> apsw.Connection:
    connection = connect(path, reading=False)
    connection.set_busy_timeout(_READERS_MILLISECONDS)
    return connection


def _empty_log(connection: apsw.Connection) -> None:
    """Move the write-ahead log into the database. Raises `apsw.BusyError` while somebody reads."""
    connection.wal_checkpoint(mode=_TRUNCATE)
