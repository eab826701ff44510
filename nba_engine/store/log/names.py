"""Whose decisions each commit of the log brought, as hashes that are only ever added at the end.

An index by customer would be written in random places: the larger the file, the dearer each
decision. So a commit adds one block, the hashes of all names in it. Who looks for a customer goes
over all blocks, and reads the rows of those that have its hashes. Rows that no block covers, as
those of a release that had no blocks yet, are looked at one by one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, NamedTuple
from zlib import crc32

import apsw
import msgspec
import numpy as np
import numpy.typing as npt

from nba_engine.store.customers import stored_text

__all__ = ["NAMES", "add", "blocks_of", "drop_first", "renew", "rows_of", "storable"]

NAMES = """
    CREATE TABLE names(                 -- whose decisions a commit brought: a block
      last INTEGER PRIMARY KEY,         -- from the row "first" of decisions to this one; numbers are
      first INTEGER NOT NULL,           -- used again, so blocks may overlap, and have rows of others
      hashes BLOB NOT NULL              -- crc32 of customer_id and identity of each: 4 bytes each,
    ) STRICT;                           -- little-endian
"""

BLOCKS = 1_000  # per statement: a longer one would keep the writer from tidying up
ROWS = 10_000

_ADD = "INSERT INTO names VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
_BLOCK = "SELECT first, hashes FROM names WHERE last = ?"
_NEXT = "SELECT last, first, hashes FROM names WHERE last > ? ORDER BY last LIMIT ?"
_CHANGE = "UPDATE names SET first = ?2, hashes = ?3 WHERE last = ?1"
_DROP = "DELETE FROM names WHERE last < coalesce((SELECT min(id) FROM decisions), 1 << 62)"
_ENDS = "SELECT (SELECT min(id) FROM decisions), (SELECT max(id) FROM decisions)"
_IN_RANGE = "SELECT customer_id, identity FROM decisions WHERE id BETWEEN ? AND ?"
_THEIRS = """
SELECT id, decision_id FROM decisions WHERE id BETWEEN ?2 AND ?3 AND (
  customer_id IN (SELECT value FROM json_each(?1)) OR identity IN (SELECT value FROM json_each(?1))
) ORDER BY id
"""

_Hashes = npt.NDArray[np.uint32]


class _Blocks(NamedTuple):
    """Some blocks, in the order of ``last``."""

    last: npt.NDArray[np.int64]
    first: npt.NDArray[np.int64]
    hashes: Sequence[bytes]

    def having(self, wanted: _Hashes) -> npt.NDArray[np.intp]:
        """Which of them have one of these hashes."""
        ends = np.cumsum([len(one) // 4 for one in self.hashes])
        found = np.isin(np.frombuffer(b"".join(self.hashes), "<u4"), wanted)
        return np.unique(np.searchsorted(ends, np.flatnonzero(found), side="right"))


def storable(names: Iterable[str]) -> list[str]:
    """Names that can have been stored, sorted: UTF-8 cannot hold all that a str can be."""
    return sorted(name for name in names if not name or stored_text(name))


def add(connection: apsw.Connection, first: int, last: int, names: Iterable[str]) -> None:
    """Note whose decisions were inserted with these numbers. In the same transaction."""
    hashes = _hashes(names).tobytes()
    connection.execute(_ADD, (last, first, hashes))
    if not connection.changes():  # rows that had these numbers are gone, but for their block
        block: Any = connection.execute(_BLOCK, (last,)).get
        connection.execute(_CHANGE, (last, min(first, block[0]), block[1] + hashes))


def rows_of(connection: apsw.Connection, names: Collection[str]) -> list[tuple[int, str]]:
    """``id`` and ``decision_id`` of what was decided for these names, in the order of logging.

    The names are `storable`. Raises driver errors.
    """
    listed = msgspec.json.encode(names).decode()
    found: list[tuple[int, str]] = []
    for first, last in _in_order(_candidates(connection, _hashes(names))):
        rows: list[Any] = connection.execute(_THEIRS, (listed, first, last)).fetchall()
        found += rows
    return found


def blocks_of(connection: apsw.Connection, names: Collection[str] | None) -> list[int]:
    """Blocks that have hashes of these names, rows or not; None: all blocks."""
    if names is None:
        return [last for blocks in _all_blocks(connection) for last in blocks.last.tolist()]
    wanted = _hashes(names)
    found = (blocks.last[blocks.having(wanted)] for blocks in _all_blocks(connection))
    return [last for some in found for last in some.tolist()]


def renew(connection: apsw.Connection, block: int) -> None:
    """Leave a block the hashes of the rows that are there. In a transaction.

    Not by taking hashes away: somebody else's name may have the same one.
    """
    for first, hashes in connection.execute(_BLOCK, (block,)).fetchall():
        rows = connection.execute(_IN_RANGE, (first, block))
        kept = _hashes(name for row in rows for name in row).tobytes()
        if kept != hashes:
            connection.execute(_CHANGE, (block, first, kept))


def drop_first(connection: apsw.Connection) -> None:
    """Drop the blocks before the first decision that is left. In the transaction that deleted."""
    connection.execute(_DROP)


def _hashes(names: Iterable[str]) -> _Hashes:
    """Each once, sorted."""
    return np.array(sorted({crc32(name.encode()) for name in names}), "<u4")


def _candidates(connection: apsw.Connection, wanted: _Hashes) -> Iterator[tuple[int, int]]:
    """Where rows of the wanted may be: the blocks that have their hashes, and what none covers."""
    lowest, highest = connection.execute(_ENDS).get
    if lowest is None:
        return
    covered = lowest - 1
    for blocks in _all_blocks(connection):
        theirs = blocks.having(wanted)
        yield from zip(blocks.first[theirs].tolist(), blocks.last[theirs].tolist(), strict=True)
        before = np.concatenate(([covered], blocks.last[:-1]))
        open_ = np.flatnonzero(blocks.first > before + 1)
        yield from zip(
            (before[open_] + 1).tolist(), (blocks.first[open_] - 1).tolist(), strict=True
        )
        covered = int(blocks.last[-1])
    if covered < highest:
        yield covered + 1, highest


def _all_blocks(connection: apsw.Connection) -> Iterator[_Blocks]:
    after = 0
    while rows := connection.execute(_NEXT, (after, BLOCKS)).fetchall():
        last, first, hashes = zip(*rows, strict=True)
        yield _Blocks(np.array(last, np.int64), np.array(first, np.int64), hashes)
        after = last[-1]


def _in_order(ranges: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """The same numbers, ascending, each once, not too many at a time."""
    end = 0
    for range_first, last in sorted(ranges):
        for first in range(max(range_first, end + 1), last + 1, ROWS):
            yield first, min(last, first + ROWS - 1)
        end = max(end, last)
