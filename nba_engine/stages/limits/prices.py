"""What contacts cost at the prices of limits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from nba_engine.domain import CatalogView, Deciding, FloatArray, Limit
from nba_engine.stages.limits.accounts import Accounts, amount_of

__all__ = ["PricePart", "Prices"]


class PricePart(NamedTuple):
    """What one limit asks: ``price`` per contact or per unit of money, times ``use``.

    Of a ``floor`` it is the bonus for what the limit is to reach at least.
    """

    limit: Limit
    name: str
    price: float
    use: float
    floor: bool = False

    @property
    def total(self) -> float:
        """Money: what is taken off a score; a bonus is negative."""
        return -self.price * self.use if self.floor else self.price * self.use


class Prices:
    """Prices by the name of their cell, laid on the treatments of a catalog.

    Those in `LimitCells.names` are taken off scores, those in `LimitCells.floors` added.
    """

    def __init__(self, catalog: CatalogView, accounts: Accounts) -> None:
        self._catalog = catalog
        self._accounts = accounts
        self._cells = {
            name: (position, cell, sign)
            for position, cells in enumerate(accounts.limits)
            for names, sign in ((cells.names, 1.0), (cells.floors, -1.0))
            for cell, name in enumerate(names, start=1)
        }
        # the last answer: prices change every few seconds, decisions come by the hundred
        self._last: tuple[Mapping[str, float], FloatArray] = ({}, np.zeros(len(catalog.treatments)))

    def of_treatments(self, prices: Mapping[str, float]) -> FloatArray:
        """What a contact costs at these prices, (T,); names that the catalog lacks do not matter."""
        known, costs = self._last
        if known == prices:
            return costs
        by_limit: dict[int, FloatArray] = {}
        for name, price in prices.items():
            if name in self._cells:
                position, cell, sign = self._cells[name]
                cells = self._accounts.limits[position]
                of_cells = by_limit.setdefault(position, np.zeros(len(cells.names) + 1))
                of_cells[cell] += sign * amount_of(self._catalog.limits[position], 1) * price
        costs = np.zeros(len(self._catalog.treatments))
        for position, of_cells in by_limit.items():
            cells = self._accounts.limits[position]
            costs += of_cells[cells.cell] * cells.amount
        self._last = dict(prices), costs
        return costs

    def parts(self, prices: Mapping[str, float], treatment: int) -> list[PricePart]:
        """What makes up a treatment's cost at these prices: the limits that ask for something."""
        found = []
        for draw in self._accounts.draws[treatment]:
            cells, limit = self._accounts.limits[draw.limit], self._catalog.limits[draw.limit]
            use = amount_of(limit, draw.amount)
            for names, floor in ((cells.names, False), (cells.floors, True)):
                name = names[draw.cell - 1] if names else ""
                if price := prices.get(name, 0.0):
                    found.append(PricePart(limit, name, price, use, floor))
        return found

    def parts_in(self, deciding: Deciding, slot: int, treatment: int) -> list[PricePart]:
        """`parts` at the prices that a treatment is charged in a placement.

        What is due there has been given its room by the plan it is in: no limit asks for it again. What
        minimums add beyond what limits ask stays, for that may be why it was planned.
        """
        parts = self.parts(deciding.prices_in(slot), treatment)
        if not deciding.is_due(treatment, slot):
            return parts
        floors = [part for part in parts if part.floor]
        added = -sum(part.total for part in floors)
        left = -sum(part.total for part in parts)
        if left <= 0.0:
            return []
        return [part._replace(price=part.price * (left / added)) for part in floors]
