"""Sink ``jsonl``: one JSON object per line in a file that is rotated by size, for log shippers."""

from __future__ import annotations

import fcntl
import glob
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from typing import Annotated

import msgspec

from nba_engine.domain import Erased, SinkFactory, SinkRecord
from nba_engine.sinks.erasing import erase_lines

__all__ = ["JSONL", "JsonLines", "JsonLinesSettings"]


class JsonLinesSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of `JsonLines`.

    ``path``: the file, relative to the folder of nba.toml; its folder is made if need be.
    ``rotate_bytes``: a file that has reached this size becomes ``<path>.1``, the one before
    ``<path>.2``, and so on. ``keep``: how many of these are kept.
    """

    path: Annotated[str, msgspec.Meta(min_length=1)] = "data/records.jsonl"
    rotate_bytes: Annotated[int, msgspec.Meta(ge=1024)] = 64 * 1024 * 1024
    keep: Annotated[int, msgspec.Meta(ge=1, le=999)] = 5


class JsonLines:
    """Appends ``{"topic": …, "key": …, "time": …, "data": {…}}`` per record.

    Lines are never torn: what a crash left of a line is cut off when the file is opened again.
    Several processes may share the file: they take turns at a lock file beside it.
    """

    def __init__(self, settings: JsonLinesSettings, folder: Path) -> None:
        self._path = folder / Path(settings.path).expanduser()
        self._rotate_bytes = settings.rotate_bytes
        self._keep = settings.keep
        self._encode = msgspec.json.Encoder().encode
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._file: FileIO | None = None
        self._lock = self._path.with_name(f"{self._path.name}.lock").open("ab", buffering=0)
        with self._turn():
            self._open()

    def write(self, records: Sequence[SinkRecord]) -> None:
        """Append all of them, or none. Raises `OSError`, or what JSON cannot say as `TypeError`."""
        if not records:
            return
        lines = b"".join(self._encode(record) + b"\n" for record in records)
        with self._turn():
            file = self._current()
            if file.tell() and file.tell() + len(lines) > self._rotate_bytes:
                file = self._rotate(file)
            before = file.tell()
            rest = memoryview(lines)
            try:
                while rest:
                    rest = rest[file.write(rest) :]
            except OSError:  # all of them are lost then, so none of them may be found there
                file.truncate(before)
                raise

    def flush(self) -> None:
        """Wait until the disk has it."""
        if self._file is not None:
            os.fsync(self._file.fileno())

    def erase(self, erased: Erased) -> int:
        """Rewrite the files, those that were rotated too, without a customer's lines."""
        with self._turn():
            rotated = self._path.parent.glob(f"{glob.escape(self._path.name)}.*")
            files = [file for file in rotated if file.suffix[1:].isdecimal()]
            return sum(erase_lines(file, erased) for file in (*files, self._path) if file.exists())

    def close(self) -> None:
        """Flush and close the file."""
        if self._file is not None:
            self.flush()
            self._file.close()
            self._file = None
        self._lock.close()

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """The file is ours until the end of the block."""
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._lock, fcntl.LOCK_UN)

    def _current(self) -> FileIO:
        """The file at its end; opened anew if another process has rotated it."""
        file = self._file
        if file is not None:
            try:
                if os.path.samestat(os.fstat(file.fileno()), self._path.stat()):
                    self._trim(file)
                    return file
            except FileNotFoundError:
                pass  # moved away: a new one is begun
            file.close()
        return self._open()

    def _open(self) -> FileIO:
        file = self._path.open("ab", buffering=0)  # what was written is with the operating system
        self._trim(file)
        self._file = file
        return file

    def _trim(self, file: FileIO) -> None:
        """Go to the end, and cut off what a process that died left there of a line."""
        end = file.seek(0, os.SEEK_END)
        whole = _end_of_last_line(self._path, end)
        if whole < end:
            file.truncate(whole)

    def _rotate(self, file: FileIO) -> FileIO:
        os.fsync(file.fileno())
        file.close()
        self._file = None
        for number in range(self._keep - 1, 0, -1):
            older = self._numbered(number)
            if older.exists():
                older.replace(self._numbered(number + 1))
        self._path.replace(self._numbered(1))
        return self._open()

    def _numbered(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")


def _end_of_last_line(path: Path, size: int) -> int:
    """Where the last complete line ends, in bytes."""
    step = 256  # nearly always the last byte is the end of a line
    with path.open("rb") as file:
        end = size
        while end > 0:
            start = max(0, end - step)
            file.seek(start)
            found = file.read(end - start).rfind(b"\n")
            if found >= 0:
                return start + found + 1
            end, step = start, 65_536
    return 0


JSONL = SinkFactory(build=JsonLines, settings=JsonLinesSettings)
