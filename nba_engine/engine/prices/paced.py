"""The accounts of a catalog that have a price: what they are called, hold, and buy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from nba_engine.domain import CatalogView, IntArray, Limit
from nba_engine.stages.limits import LimitCells, Period, amount_of

__all__ = ["PacedCell", "paced_cells"]


class PacedCell(NamedTuple):
    """One account per window of a limit that is paced. Amounts are contacts or money.

    ``per_contact``: what a contact uses on average; ``contacts``: what the amount buys at that;
    ``scale``: the size of a price as far as the catalog alone can tell. ``season``: of a lifetime,
    from the first start of its actions to their last end. Of a ``floor`` the amount is what is to be
    reached at least, and its price a bonus.
    """

    limit: Limit
    cells: LimitCells
    cell: int
    name: str
    amount: float
    per_contact: float
    contacts: float
    scale: float
    season: tuple[float, float] | None
    floor: bool = False

    def period(self, now: float) -> Period:
        """The window around a moment, with its beginning and end."""
        if self.season is not None:
            return Period(self.limit.window.unit, *self.season)
        return self.cells.calendar.at(now)

    def account(self, now: float) -> str:
        """The name of its account in that window."""
        return self.cells.account(self.cell, "", now)


def paced_cells(catalog: CatalogView) -> tuple[PacedCell, ...]:
    """Every account that has a price, or a minimum to reach, in the order of the catalog's limits."""
    found: list[PacedCell] = []
    for position, limit in enumerate(catalog.limits):
        amount = limit.amount if isinstance(limit.amount, int | float) else np.inf
        priced = limit.pace != "free" and np.isfinite(amount)
        if not priced and not limit.at_least:
            continue
        cells = LimitCells(catalog, position)
        if priced:
            found += (
                _cell(catalog, limit, cells, at, name, float(amount))
                for at, name in enumerate(cells.names, start=1)
            )
        found += (
            _cell(catalog, limit, cells, at, name, float(limit.at_least), floor=True)
            for at, name in enumerate(cells.floors, start=1)
        )
    return tuple(found)


def _cell(
    catalog: CatalogView,
    limit: Limit,
    cells: LimitCells,
    at: int,
    name: str,
    amount: float,
    *,
    floor: bool = False,
) -> PacedCell:
    treatments = np.flatnonzero(cells.cell == at)
    per_contact = amount_of(limit, 1) * float(cells.amount[treatments].mean())
    # a bonus has the size of what it is to beat, whatever that is of
    beaten = np.flatnonzero(~catalog.is_nothing) if floor else treatments
    return PacedCell(
        limit=limit,
        cells=cells,
        cell=at,
        name=name,
        amount=amount,
        per_contact=per_contact,
        contacts=amount / per_contact,
        scale=_expected(catalog, beaten) / per_contact,
        season=_season(catalog, limit, treatments),
        floor=floor,
    )


def _expected(catalog: CatalogView, treatments: IntArray) -> float:
    """What a contact is expected to earn, by the catalog alone: by priors, where values are numbers.

    Where that says nothing it is what a contact costs, or 1.
    """
    actions = [catalog.actions[action] for action in catalog.action_of[treatments].tolist()]
    values = np.array([a.value if isinstance(a.value, int | float) else np.nan for a in actions])
    earned = catalog.lever[treatments] * catalog.prior[treatments] * values
    left = np.maximum(earned - catalog.cost[treatments], 0.0)
    known = left[np.isfinite(left)]
    return (
        (float(known.mean()) if len(known) else 0.0)
        or float(catalog.cost[treatments].mean())
        or 1.0
    )


def _season(catalog: CatalogView, limit: Limit, treatments: IntArray) -> tuple[float, float] | None:
    if limit.window.unit != "lifetime":
        return None
    actions: Sequence[int] = catalog.action_of[treatments].tolist()
    starts = [catalog.actions[action].starts for action in actions]
    ends = [catalog.actions[action].ends for action in actions]
    # the catalog sees to it that all of them have both
    return min(s for s in starts if s is not None), max(e for e in ends if e is not None)
