"""An `apsw` VFS that writes down what SQLite does to the files of a folder."""

from __future__ import annotations

import itertools
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import apsw

from tests.store.power_cut.disk import (
    Create,
    Delete,
    Operation,
    Sync,
    SyncFolder,
    Truncate,
    Write,
)

__all__ = ["Recorder"]

_DURABLE = apsw.SQLITE_OPEN_MAIN_DB | apsw.SQLITE_OPEN_MAIN_JOURNAL | apsw.SQLITE_OPEN_WAL
_JOURNAL = apsw.SQLITE_OPEN_MAIN_JOURNAL | apsw.SQLITE_OPEN_WAL


class Recorder(apsw.VFS):
    """The default VFS for as long as it is a context; everything is handed on to the one before.

    ``before`` are the files in ``folder`` as they were found, ``done`` is everything done to them
    since, in order, and its length is the time. Shared memory (``-shm``) is none of it: SQLite makes
    that anew after a power cut. ``numbers`` are those of the files that names lead to.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.before = {path.name: path.read_bytes() for path in folder.iterdir()}
        self.numbers = {name: number for number, name in enumerate(sorted(self.before))}
        self._numbers = itertools.count(len(self.numbers))
        self.lock = threading.Lock()  # what is written while a file is synced may not be
        self.done: list[Operation] = []
        self.moments: list[float] = []  # when, on `time.monotonic`
        self.base = apsw.vfs_names()[0]
        super().__init__("recorder", self.base, makedefault=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.unregister()

    def note(self, done: Operation) -> None:
        """Write an operation down; the lock is held."""
        self.done.append(done)
        self.moments.append(time.monotonic())

    def number(self, path: Path) -> int:
        """The number of the file behind a name; a name without one gets a new file."""
        if path.name not in self.numbers:
            self.numbers[path.name] = next(self._numbers)
            self.note(Create(path.name, self.numbers[path.name]))
        return self.numbers[path.name]

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:
        path = Path(name.filename() if isinstance(name, apsw.URIFilename) else name or "")
        if path.parent != self._folder or not flags[0] & _DURABLE:
            return apsw.VFSFile(self.base, name, flags)
        with self.lock:
            file = _File(self, name, flags)
            file.number = self.number(path)
            return file

    def xDelete(self, filename: str, syncdir: bool) -> None:
        with self.lock:
            super().xDelete(filename, syncdir)
            path = Path(filename)
            if path.parent == self._folder and self.numbers.pop(path.name, None) is not None:
                self.note(Delete(path.name))
            if syncdir:
                self.note(SyncFolder())


class _File(apsw.VFSFile):
    def __init__(
        self, recorder: Recorder, name: str | apsw.URIFilename | None, flags: list[int]
    ) -> None:
        self._recorder = recorder
        self.number = -1
        # as in SQLite's os_unix.c: the first sync of a journal that may be new syncs its folder, too
        self._sync_folder = bool(flags[0] & apsw.SQLITE_OPEN_CREATE and flags[0] & _JOURNAL)
        super().__init__(recorder.base, name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:
        with self._recorder.lock:
            super().xWrite(data, offset)
            self._recorder.note(Write(self.number, offset, bytes(data)))

    def xTruncate(self, newsize: int) -> None:
        with self._recorder.lock:
            super().xTruncate(newsize)
            self._recorder.note(Truncate(self.number, newsize))

    def xSync(self, flags: int) -> None:
        with self._recorder.lock:
            super().xSync(flags)
            self._recorder.note(Sync(self.number))
            if self._sync_folder:
                self._sync_folder = False
                self._recorder.note(SyncFolder())
