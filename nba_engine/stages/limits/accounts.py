"""Which accounts of the ledger a treatment draws on, and with how much.

A limit has one account per combination of its scope and its window:
``email_week|channel=email|customer=crm:42|2017-11-06``. A window that rolls has one account for
good, whose name ends in ``|rolling``: another length of it counts in the same account.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nba_engine.domain import (
    MICROS,
    Action,
    CatalogView,
    Deciding,
    Hold,
    Limit,
    Treatment,
    to_micros,
)
from nba_engine.domain.values import LARGEST_AMOUNT
from nba_engine.stages.limits.windows import Calendar

__all__ = [
    "CLOSED",
    "FLOOR",
    "Accounts",
    "Draw",
    "LimitCells",
    "amount_of",
    "ceiling_of",
    "named_of",
    "units_of",
]

FLOOR = "|at_least"  # how the names of bonuses end
CLOSED = -1  # the ceiling of a limit whose amount cannot be computed: nothing fits


class Draw(NamedTuple):
    """What one treatment takes from one limit: whole units of its ``cell``."""

    limit: int
    cell: int
    amount: int


class LimitCells:
    """One limit over all treatments: who draws on which of its cells, and how much.

    A *cell* is a combination of the scope values that the catalog knows (action, group, campaign,
    channel); the customer and the window complete it to an account. ``cell`` (T,) counts from 1;
    0 means that the treatment does not draw on this limit. ``amount`` (T,) is in whole units.
    """

    def __init__(self, catalog: CatalogView, position: int) -> None:
        limit = catalog.limits[position]
        self.limit_id = limit.id
        self.calendar = Calendar(limit.window)
        self.rolls = limit.window.seconds if limit.window.unit == "rolling" else 0.0
        self.per_customer = "customer" in limit.scope
        labels: dict[str, int] = {}
        size = len(catalog.treatments)
        self.cell: NDArray[np.intp] = np.zeros(size, dtype=np.intp)
        self.amount: NDArray[np.int64] = np.zeros(size, dtype=np.int64)
        for index, treatment in enumerate(catalog.treatments):
            if position not in catalog.limits_of[index] or catalog.is_nothing[index]:
                continue
            amount = 1 if limit.measure == "contacts" else to_micros(treatment.cost)
            if amount <= 0:
                continue
            action = catalog.actions[int(catalog.action_of[index])]
            label = _label(limit, action, treatment)
            self.cell[index] = 1 + labels.setdefault(label, len(labels))
            self.amount[index] = amount
        self.prefixes = tuple(f"{_escape(limit.id)}|{label}" for label in labels)
        # what the price of a cell is called: the limit and the values of its scope
        self.names = tuple(prefix.removesuffix("|") for prefix in self.prefixes)
        # and the bonus of what is to reach a minimum; no scope is called so
        self.floors = tuple(f"{n}{FLOOR}" for n in self.names) if limit.at_least else ()
        self.largest = int(self.amount.max(initial=0))
        # whether every treatment draws on it: then nobody needs to look which ones do
        self.everybody = bool(((self.cell > 0) | catalog.is_nothing).all())

    def account(self, cell: int, customer_id: str, now: float) -> str:
        """The account of a cell (from 1) at a moment."""
        return f"{self.of_customer(cell, customer_id)}{self.calendar.at(now).key}"

    def of_customer(self, cell: int, customer_id: str) -> str:
        """How the names of a cell's accounts begin, in whichever window."""
        prefix = self.prefixes[cell - 1]
        return f"{prefix}customer={_escape(customer_id)}|" if self.per_customer else prefix


class Accounts:
    """All limits of a catalog, arranged by treatment and by limit."""

    def __init__(self, catalog: CatalogView) -> None:
        self.limits = tuple(LimitCells(catalog, k) for k in range(len(catalog.limits)))
        draws: list[list[Draw]] = [[] for _ in catalog.treatments]
        for position, cells in enumerate(self.limits):
            for index in np.flatnonzero(cells.cell).tolist():
                draws[index].append(
                    Draw(position, int(cells.cell[index]), int(cells.amount[index]))
                )
        self.draws = tuple(map(tuple, draws))

    def holds(self, deciding: Deciding, treatment: int) -> tuple[Hold, ...]:
        """What recommending the treatment would reserve; () when it draws on no limit."""
        return tuple(
            Hold(
                account=self.limits[draw.limit].account(
                    draw.cell, deciding.customer_id, deciding.now
                ),
                limit=self.limits[draw.limit].limit_id,
                amount=draw.amount,
                ceiling=max(0, ceiling_of(deciding, deciding.catalog.limits[draw.limit])),
                rolls=self.limits[draw.limit].rolls,
            )
            for draw in self.draws[treatment]
        )


def ceiling_of(deciding: Deciding, limit: Limit) -> int:
    """The amount in force for this customer, in whole units; `CLOSED` when it has none."""
    amount = limit.amount
    if not isinstance(amount, int | float):
        computed = amount.evaluate(deciding.customer, deciding.context, deciding.now)
        if computed is None or not math.isfinite(computed):
            return CLOSED
        amount = computed
    if math.isnan(amount):
        return CLOSED
    return units_of(limit, amount)


def units_of(limit: Limit, amount: float) -> int:
    """An amount as the ledger counts it, in whole units of the limit; at least 0.

    Without an amount (inf) it is the largest there is.
    """
    amount = min(amount, LARGEST_AMOUNT)
    if limit.measure == "money":
        return max(0, to_micros(amount))
    return max(0, math.floor(amount))


def named_of(limit: Limit) -> str:
    """How the names of all accounts of a limit begin."""
    return f"{_escape(limit.id)}|"


def amount_of(limit: Limit, units: int) -> float:
    """Whole units as the catalog writes a limit's amount: contacts, or money."""
    return float(units) if limit.measure == "contacts" else units / MICROS


def _label(limit: Limit, action: Action, treatment: Treatment) -> str:
    values = {
        "action": action.id,
        "group": action.group,
        "campaign": action.campaign,
        "channel": treatment.channel,
    }
    return "".join(f"{s}={_escape(values[s])}|" for s in limit.scope if s != "customer")


def _escape(value: str) -> str:
    return value.replace("%", "%25").replace("|", "%7C") if "|" in value or "%" in value else value
