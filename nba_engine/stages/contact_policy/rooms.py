"""Which candidates no longer fit into their limits, with one read of the ledger."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nba_engine.domain import CatalogView, Deciding
from nba_engine.domain.values import BoolArray, IntArray
from nba_engine.stages.limits import CLOSED, Accounts, LimitCells, ceiling_of

__all__ = ["Rooms"]

_UNLIMITED = np.iinfo(np.int64).max
_REMEMBERED = 256


class Rooms:
    """What is left of every limit that the surviving candidates draw on."""

    def __init__(self, catalog: CatalogView, accounts: Accounts) -> None:
        self._accounts = accounts
        self._fitting = {place: catalog.fitting(place) for place in catalog.placements}
        # placements of a request → limits that any treatment fitting there draws on
        self._touched: dict[tuple[str, ...], tuple[int, ...]] = {}

    def full(self, deciding: Deciding) -> BoolArray | None:
        """Candidates whose amount no longer fits, (n,); None when all of them fit."""
        touched = self._limits_at(tuple([p.placement for p in deciding.placements]))
        if not touched:
            return None
        index = deciding.candidates.index
        needed: list[tuple[int, list[int]]] = []
        accounts: list[str] = []
        for position in touched:
            if deciding.ahead and deciding.catalog.limits[position].window.unit != "lifetime":
                continue  # there will be other windows
            cells = self._accounts.limits[position]
            drawn = _drawn(cells, index)
            if drawn:
                needed.append((position, drawn))
                accounts += [cells.account(c, deciding.customer_id, deciding.now) for c in drawn]
        if not needed:
            return None
        usage = deciding.reads.usage(tuple(accounts))
        deciding.usage.update(usage)
        full: BoolArray | None = None
        read = iter(accounts)
        for position, drawn in needed:
            cells = self._accounts.limits[position]
            ceiling = ceiling_of(deciding, deciding.catalog.limits[position])
            taken = [usage.get(next(read), 0) for _ in drawn]
            left = [CLOSED if ceiling == CLOSED else ceiling - each for each in taken]
            if min(left) >= cells.largest:
                continue
            room: NDArray[np.int64] = np.full(len(cells.prefixes) + 1, _UNLIMITED, dtype=np.int64)
            room[drawn] = left
            over = cells.amount[index] > room[cells.cell[index]]
            full = over if full is None else full | over
        return full

    def _limits_at(self, places: tuple[str, ...]) -> tuple[int, ...]:
        touched = self._touched.get(places)
        if touched is None:
            fitting = [self._fitting[place] for place in places]
            touched = tuple(
                position
                for position, cells in enumerate(self._accounts.limits)
                if any(cells.cell[treatments].any() for treatments in fitting)
            )
            if len(self._touched) < _REMEMBERED:
                self._touched[places] = touched
        return touched


def _drawn(cells: LimitCells, index: IntArray) -> list[int]:
    """The cells (from 1) that any of these treatments draws on."""
    if len(cells.prefixes) > 1:
        return (np.flatnonzero(np.bincount(cells.cell[index])[1:]) + 1).tolist()
    return [1] if cells.everybody or cells.cell[index].any() else []
