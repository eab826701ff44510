"""A file that grows: whole records from a mark on, and whether the mark still is of this file."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator
from typing import BinaryIO

import msgspec

__all__ = ["LONGEST", "Growing", "Mark", "Piece"]

LONGEST = 1 << 20  # bytes of one record
_AT_ONCE = 4 << 20  # bytes read for one batch
_PRINT = 256  # bytes at either end of what was read that tell files apart


class Mark(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How far a file was read: bytes and lines, and by what it is known again.

    ``head`` and ``tail`` are digests of the first and last bytes that were read, ``inode`` tells
    where the file went that was renamed. ``skipping``: in the middle of a line that is too long.
    """

    inode: int
    offset: int = 0
    line: int = 0
    head: str = ""
    tail: str = ""
    skipping: bool = False


class Piece(msgspec.Struct, frozen=True):
    """One record: its bytes without the line's end, its first line, or what is wrong with it."""

    line: int
    data: bytes
    problem: str = ""


class Growing:
    """An open file. ``quoted``: a record goes on over line ends inside of double quotes (CSV)."""

    def __init__(self, file: BinaryIO, *, quoted: bool, settle: float) -> None:
        self._file = file
        self._quoted = quoted
        self._settle = settle
        stat = os.fstat(file.fileno())
        self.inode = stat.st_ino
        self.size = stat.st_size
        self.looks = (stat.st_ino, stat.st_size, stat.st_mtime_ns)
        self._changed = stat.st_mtime

    def fits(self, mark: Mark) -> bool:
        """Whether the mark is of this file: it begins with what was read then."""
        return (
            self.size >= mark.offset
            and self._digest(0, mark.offset) == mark.head
            and self._digest(max(0, mark.offset - _PRINT), mark.offset) == mark.tail
        )

    def heading(self) -> bytes | None:
        """The first record, if it is whole; None: not yet."""
        found = next(self._pieces(Mark(inode=self.inode)), None)
        return None if found is None else found[0].data.removeprefix(b"\xef\xbb\xbf")

    def read(self, mark: Mark, most: int) -> tuple[list[Piece], Mark]:
        """At most so many records behind the mark, and the mark behind them."""
        pieces: list[Piece] = []
        after = mark
        for piece, reached in self._pieces(mark):
            after = reached
            if piece.data.strip() or piece.problem:
                pieces.append(piece)
            if len(pieces) == most or after.offset - mark.offset >= _AT_ONCE:
                break
        if after.offset == mark.offset:
            return [], mark
        return pieces, msgspec.structs.replace(
            after,
            head=self._digest(0, after.offset),
            tail=self._digest(max(0, after.offset - _PRINT), after.offset),
        )

    def _pieces(self, mark: Mark) -> Iterator[tuple[Piece, Mark]]:
        """Every record behind a mark that is whole, with where it ends."""
        file = self._file
        file.seek(mark.offset)
        offset, line, skipping = mark.offset, mark.line, mark.skipping
        held = b""
        first = line + 1
        while raw := file.readline(LONGEST + 1):
            ended = raw.endswith(b"\n") or self._is_last(offset + len(held) + len(raw))
            if skipping:
                offset += len(raw)
                line += ended
                skipping = not ended
                yield Piece(line, b""), self._mark(offset, line, skipping)
                continue
            if not ended and len(raw) <= LONGEST:
                return  # more of it is to come
            if not held:
                first = line + 1
            held += raw
            line += 1
            if not ended or len(held) > LONGEST:
                skipping = not ended
                line -= skipping
                problem = f"longer than {LONGEST:,} bytes"
                offset += len(held)
                held = b""
                yield Piece(first, b"", problem), self._mark(offset, line, skipping)
            elif not self._quoted or held.count(b'"') % 2 == 0:
                offset += len(held)
                data, held = held.rstrip(b"\r\n"), b""
                yield Piece(first, data), self._mark(offset, line, skipping)

    def _mark(self, offset: int, line: int, skipping: bool) -> Mark:  # noqa: FBT001 - as it is kept
        return Mark(inode=self.inode, offset=offset, line=line, skipping=skipping)

    def _is_last(self, end: int) -> bool:
        """Whether a file ends here that nobody has written to for a while."""
        return end == self.size and time.time() - self._changed >= self._settle

    def _digest(self, start: int, end: int) -> str:
        """Of the first bytes of a part of the file."""
        self._file.seek(start)
        data = self._file.read(min(end - start, _PRINT))
        return hashlib.blake2b(data, digest_size=8).hexdigest() if data else ""
