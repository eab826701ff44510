"""A disk as far as a power cut knows it: what was synced is there, of the rest nobody can tell."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from typing import NamedTuple, TypeAlias

__all__ = ["Create", "Delete", "Disk", "Operation", "Sync", "SyncFolder", "Truncate", "Write"]


class Create(NamedTuple):
    """A name leads to a new file."""

    name: str
    file: int


class Delete(NamedTuple):
    name: str


class Write(NamedTuple):
    file: int
    start: int
    data: bytes


class Truncate(NamedTuple):
    file: int
    size: int


class Sync(NamedTuple):
    """What was written to a file so far is durable; not that it has a name."""

    file: int


class SyncFolder(NamedTuple):
    """What names lead to is durable."""


Operation: TypeAlias = Create | Delete | Write | Truncate | Sync | SyncFolder

_SECTORS = (512, 4096)
_SHARES = (0.0, 0.1, 0.5, 0.9, 1.0)
_TORN = 0.1  # share of the sectors that arrive in part
_GARBAGE = 0.05  # share of those that do not arrive, and are something else afterwards


class Disk:
    """Follows operations one by one; `cut` tells what a power cut then might leave.

    It is harsher than most: each sector of each write that was not synced arrives or does not, in
    any order, or in part, or as garbage; so do truncations and, name by name, what happened to
    names. It never damages what is not being written, which SQLite relies on, too
    (``SQLITE_IOCAP_POWERSAFE_OVERWRITE``).
    """

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._names = {name: number for number, name in enumerate(sorted(files))}
        self._content = {number: bytearray(files[name]) for name, number in self._names.items()}
        self._renamed: dict[str, list[int | None]] = {}  # since the folder was synced
        self._changed: dict[int, list[Write | Truncate]] = {}  # since the file was synced

    @property
    def names(self) -> Mapping[str, int]:
        """The files that are there for sure, and their numbers."""
        return self._names

    def follow(self, done: Operation) -> None:
        """Take one operation into account."""
        match done:
            case Create(name, file):
                self._content[file] = bytearray()
                self._renamed.setdefault(name, []).append(file)
            case Delete(name):
                self._renamed.setdefault(name, []).append(None)
            case Write() | Truncate():
                self._changed.setdefault(done.file, []).append(done)
            case Sync(file):
                for change in self._changed.pop(file, ()):
                    _apply(self._content[file], change)
            case SyncFolder():
                for name, files in self._renamed.items():
                    self._rename(self._names, name, files[-1])
                self._renamed = {}

    def cut(self, draw: random.Random) -> dict[str, bytes]:
        """The files after the power is back."""
        names = dict(self._names)
        for name, files in self._renamed.items():
            kept = draw.randint(0, len(files))
            if kept:
                self._rename(names, name, files[kept - 1])
        return {name: self._left(file, draw) for name, file in names.items()}

    def _left(self, file: int, draw: random.Random) -> bytes:
        content = bytearray(self._content[file])
        changes = self._changed.get(file, [])
        share, sector = draw.choice(_SHARES), draw.choice(_SECTORS)
        if draw.random() < 0.5:  # in order, up to some moment
            changes = changes[: draw.randint(0, len(changes))]
            for change in changes[:-1]:
                _apply(content, change)
            changes, share = changes[-1:], 0.5
        for change in changes:
            if isinstance(change, Truncate):
                if draw.random() < share:
                    _apply(content, change)
                continue
            for piece in _sectors(change, sector):
                _apply(content, _arrived(piece, share, draw))
        return bytes(content)

    @staticmethod
    def _rename(names: dict[str, int], name: str, file: int | None) -> None:
        if file is None:
            names.pop(name, None)
        else:
            names[name] = file


def _sectors(write: Write, size: int) -> Iterator[Write]:
    """The write, cut where sectors begin."""
    start, end = write.start, write.start + len(write.data)
    while start < end:
        stop = min(end, (start // size + 1) * size)
        yield Write(write.file, start, write.data[start - write.start : stop - write.start])
        start = stop


def _arrived(piece: Write, share: float, draw: random.Random) -> Write:
    """What became of one sector's part of a write; nothing: empty data."""
    file, start, data = piece
    if draw.random() < share:
        if draw.random() >= _TORN:
            return piece
        at = draw.randrange(len(data))
        return (
            Write(file, start, data[:at])
            if draw.random() < 0.5
            else Write(file, start + at, data[at:])
        )
    return Write(file, start, draw.randbytes(len(data)) if draw.random() < _GARBAGE else b"")


def _apply(content: bytearray, change: Write | Truncate) -> None:
    if isinstance(change, Truncate):
        del content[change.size :]
        content.extend(bytes(change.size - len(content)))
    elif change.data:
        content.extend(bytes(max(0, change.start - len(content))))
        content[change.start : change.start + len(change.data)] = change.data
