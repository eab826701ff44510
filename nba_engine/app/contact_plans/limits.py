"""The limits that customers share, as a plan has to keep them in its periods."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from nba_engine.app.contact_plans.spans import Left, spans_of
from nba_engine.domain import (
    MICROS,
    CatalogView,
    ContactPlanTerms,
    IntArray,
    Limit,
)
from nba_engine.planning import PlanLimit
from nba_engine.stages.limits import LimitCells, units_of

__all__ = ["SharedLimits", "UsageOf", "not_planned_with", "periods_ahead", "shared_limits"]

UsageOf: TypeAlias = Callable[[Sequence[str]], Mapping[str, int]]
"""Accounts → whole units used of them; those never used may be absent."""

_ACCOUNTS = 500  # asked for at a time
_SECOND = 1.0


class SharedLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What a plan keeps. ``cells`` and ``limits`` belong together, one by one.

    ``cells``: whose price it is, as online prices are called: a limit with the values of its scope.
    """

    cells: tuple[str, ...]
    spans: tuple[tuple[int, int], ...]
    limits: tuple[PlanLimit, ...]

    def prices(self, per_unit: NDArray[np.float64], periods: int) -> dict[str, tuple[float, ...]]:
        """Prices per contact or unit of money, by cell and period; given: per unit of each limit.

        What a contact in a period costs at them is what it costs at the prices of all limits.
        """
        found = {cell: np.zeros(periods) for cell in self.cells}
        for cell, (first, last), limit, price in zip(
            self.cells, self.spans, self.limits, per_unit.tolist(), strict=True
        ):
            found[cell][first : last + 1] += price * (MICROS if limit.measure == "money" else 1)
        return {cell: tuple(prices.tolist()) for cell, prices in found.items()}


def periods_ahead(bounds: Sequence[float], now: float) -> tuple[tuple[float, float], ...]:
    """When the periods begin and end, by their `period_bounds`, and of the first what is left of it."""
    return tuple((max(begin, min(now, end)), end) for begin, end in pairwise(bounds))


def shared_limits(
    catalog: CatalogView,
    usage: UsageOf,
    planned: IntArray,
    periods: Sequence[tuple[float, float]],
) -> SharedLimits:
    """What of each limit the planned treatments (their indices) may use by period.

    What is used of a window is taken off its amount. Raises what ``usage`` does.
    """
    cells: list[str] = []
    spans: list[tuple[int, int]] = []
    limits: list[PlanLimit] = []
    for position, limit in enumerate(catalog.limits):
        amount = limit.amount
        if "customer" in limit.scope or not isinstance(amount, int | float):
            continue
        if not math.isfinite(amount):
            continue
        of_limit = LimitCells(catalog, position)
        for cell, name in enumerate(of_limit.names, start=1):
            use = np.where(of_limit.cell[planned] == cell, of_limit.amount[planned], 0)
            if not use.any():
                continue
            windows = list(_windows(of_limit, cell, units_of(limit, amount), periods, usage))
            different = sorted(set(use[use > 0].tolist()))
            for first, last, units in spans_of(periods, windows, different):
                taken = np.zeros((len(planned), len(periods)), dtype=np.int64)
                taken[:, first : last + 1] = use[:, None]
                cells.append(name)
                spans.append((first, last))
                limits.append(
                    PlanLimit(
                        name=_named(name, first, last, len(periods)),
                        amount=units,
                        measure="money" if limit.measure == "money" else "contacts",
                        use=taken,
                    )
                )
    return SharedLimits(cells=tuple(cells), spans=tuple(spans), limits=tuple(limits))


def not_planned_with(
    catalog: CatalogView, terms: ContactPlanTerms, periods: Sequence[tuple[float, float]]
) -> Iterator[str]:
    """What of the limits a plan does not see to, in words.

    Those per customer that a chain could exceed, or of which nobody looked whether, and minimums.
    """
    for position, limit in enumerate(catalog.limits):
        if not _is_planned(catalog, position, terms):
            continue
        if limit.at_least:
            yield (
                f"{limit.name} is to have at least {limit.at_least:,} contacts: the plan does not "
                "see to it, decisions do"
            )
        if "customer" not in limit.scope:
            continue
        if limit.measure != "contacts" or not isinstance(limit.amount, int | float):
            of = "of money" if limit.measure == "money" else "with an amount of each customer's own"
            yield (
                f"{limit.name} was not checked: whether a chain exceeds a limit per customer {of} shows "
                "when it is carried out"
            )
            continue
        most = _most_in_a_window(LimitCells(catalog, position), limit, terms, periods)
        if limit.amount < most:
            yield (
                f"a chain may have {most} contacts in one window of {limit.name}, which allows "
                f"{limit.amount:g}: the later ones will be refused"
            )


def _windows(
    cells: LimitCells,
    cell: int,
    amount: int,
    periods: Sequence[tuple[float, float]],
    usage: UsageOf,
) -> Iterator[Left]:
    """What is left of the windows from the first period's start to the last one's end."""
    begin, end = periods[0][0], periods[-1][1]
    if cells.rolls:
        # as if windows of that length followed one another: what is done at the beginning of each
        # is out of the one before
        account = cells.account(cell, "", begin)
        used = usage((account,)).get(account, 0)
        for number in range(math.ceil((end - begin) / cells.rolls)):
            start = begin + number * cells.rolls
            yield Left(start, start + cells.rolls, amount - (0 if number else used))
        return
    accounts: dict[str, tuple[float, float]] = {}
    time = begin
    while time < end:
        window = cells.calendar.at(time)
        accounts[cells.account(cell, "", time)] = (window.start, window.end)
        time = window.end
    names = list(accounts)
    for first in range(0, len(names), _ACCOUNTS):
        some = names[first : first + _ACCOUNTS]
        used_of = usage(some)
        for name in some:
            yield Left(*accounts[name], amount - used_of.get(name, 0))


def _named(cell: str, first: int, last: int, periods: int) -> str:
    """Periods count from 1 for people; a limit of all of them needs none."""
    if (first, last) == (0, periods - 1):
        return cell
    return f"{cell}, period {first + 1}" + (f"-{last + 1}" if last > first else "")


def _is_planned(catalog: CatalogView, position: int, terms: ContactPlanTerms) -> bool:
    return any(
        position in catalog.limits_of[index]
        for index, treatment in enumerate(catalog.treatments)
        if set(treatment.placements) & set(terms.placements)
    )


def _most_in_a_window(
    cells: LimitCells,
    limit: Limit,
    terms: ContactPlanTerms,
    periods: Sequence[tuple[float, float]],
) -> int:
    """How many contacts of a chain can fall into one window, each at any time of its period."""
    longest = min(terms.most_contacts, 1 + (terms.periods - 1) // terms.spacing)
    if limit.window.unit == "lifetime":
        return longest
    if cells.rolls:
        return min(longest, 1 + math.ceil(cells.rolls / (terms.period * terms.spacing)))
    most = 1
    for begin, _ in periods[1:]:  # no other windows overlap several periods
        window = cells.calendar.at(begin)
        overlapped = sum(
            min(end, window.end) - max(start, window.start) > _SECOND for start, end in periods
        )
        most = max(most, 1 + (overlapped - 1) // terms.spacing)
    return min(longest, most)
