"""The limits that customers share, as a plan has to keep them in its periods."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from nba_engine.domain import (
    MICROS,
    CatalogView,
    ContactPlanTerms,
    FloatArray,
    IntArray,
    Limit,
)
from nba_engine.engine.contact_plans import PlanContacts
from nba_engine.engine.contact_plans.per_customer import is_known, windows_of
from nba_engine.engine.contact_plans.spans import Left, floors_of, spans_of
from nba_engine.planning import PlanLimit
from nba_engine.stages.limits import FLOOR, LimitCells, units_of

__all__ = ["SharedLimits", "UsageOf", "not_planned_with", "periods_ahead", "shared_limits"]

UsageOf: TypeAlias = Callable[[Sequence[str]], Mapping[str, int]]
"""Accounts → whole units used of them; those never used may be absent."""

_ACCOUNTS = 500  # asked for at a time


class SharedLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What a plan keeps. ``cells`` and ``limits`` belong together, one by one.

    ``cells``: whose price it is, as online prices are called: a limit with the values of its scope, and
    with `FLOOR` behind them for what a minimum adds.
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

    def lowered(self, found: Mapping[int, int]) -> SharedLimits:
        """Minimums (by position) as far as they were reached; those of which nothing was are gone."""
        kept = [k for k in range(len(self.limits)) if found.get(k, 1) > 0]
        return SharedLimits(
            cells=tuple(self.cells[k] for k in kept),
            spans=tuple(self.spans[k] for k in kept),
            limits=tuple(
                msgspec.structs.replace(self.limits[k], amount=found[k])
                if k in found
                else self.limits[k]
                for k in kept
            ),
        )

    def without_floors(self) -> SharedLimits:
        """What may be used, and nothing that has to be."""
        return self.lowered({k: 0 for k, limit in enumerate(self.limits) if limit.floor})

    def lower_in(self, planned: SharedLimits) -> Iterator[str]:
        """Which of these minimums are lower in ``planned``, in words."""
        amounts = {limit.name: limit.amount for limit in planned.limits}
        for limit in self.limits:
            if (amount := amounts.get(limit.name, 0)) < limit.amount:
                yield (
                    f"{limit.name}: only {amount:,} of {limit.amount:,} contacts that are lacking can be planned: "
                    "no more was found that customers and the other limits leave room for"
                )


def periods_ahead(bounds: Sequence[float], now: float) -> tuple[tuple[float, float], ...]:
    """When the periods begin and end, by their `period_bounds`, and of the first what is left of it."""
    return tuple((max(begin, min(now, end)), end) for begin, end in pairwise(bounds))


def shared_limits(
    catalog: CatalogView,
    usage: UsageOf,
    planned: IntArray,
    periods: Sequence[tuple[float, float]],
    factor: FloatArray | None = None,
) -> SharedLimits:
    """What of each limit the planned treatments (their indices) may use by period, and have to.

    What is used of a window is taken off its amount, and off its minimum. ``factor`` (planned, periods):
    0 in periods in which a treatment has no season; None: none has one. Raises what ``usage`` does.
    """
    in_season = np.ones((len(planned), len(periods))) if factor is None else factor > 0.0
    found: list[tuple[str, tuple[int, int], PlanLimit]] = []
    for position, limit in enumerate(catalog.limits):
        if "customer" in limit.scope:
            continue
        of_limit = LimitCells(catalog, position)
        for cell, name in enumerate(of_limit.names, start=1):
            use = np.where(of_limit.cell[planned] == cell, of_limit.amount[planned], 0)
            if not use.any():
                continue
            used = list(_windows(of_limit, cell, periods, usage))
            for floor, amount in _amounts(limit):
                if floor:
                    lacks = _with_end(used, catalog, planned[use > 0])
                    closed = np.flatnonzero(~in_season[use > 0].any(axis=0)).tolist()
                    spans = floors_of(periods, [_left(one, amount) for one in lacks], closed)
                else:
                    different = sorted(set(use[use > 0].tolist()))
                    spans = spans_of(periods, [_left(one, amount) for one in used], different)
                for first, last, units in spans:
                    taken = np.zeros((len(planned), len(periods)), dtype=np.int64)
                    taken[:, first : last + 1] = use[:, None]
                    if floor:
                        taken[in_season == 0] = 0
                    one = PlanLimit(
                        name=_named(name, first, last, len(periods), floor=floor),
                        amount=units,
                        measure="money" if limit.measure == "money" else "contacts",
                        use=taken,
                        floor=floor,
                    )
                    found.append((f"{name}{FLOOR}" if floor else name, (first, last), one))
    return SharedLimits(
        cells=tuple(cell for cell, _, _ in found),
        spans=tuple(span for _, span, _ in found),
        limits=tuple(limit for _, _, limit in found),
    )


def _amounts(limit: Limit) -> Iterator[tuple[bool, int]]:
    """Whether it is a minimum, and what of: the amount, if there is one, and then the minimum."""
    if isinstance(limit.amount, int | float) and math.isfinite(limit.amount):
        yield False, units_of(limit, limit.amount)
    if limit.at_least:
        yield True, limit.at_least


def _left(used: Left, amount: int) -> Left:
    return used._replace(units=amount - used.units)


def _with_end(
    windows: Sequence[Left], catalog: CatalogView, treatments: IntArray
) -> Sequence[Left]:
    """The windows; a lifetime is the seasons of what counts, by whose end it is to be reached."""
    if windows[-1].end < math.inf:
        return windows
    actions = [catalog.actions[at] for at in catalog.action_of[treatments].tolist()]
    start = min(-math.inf if one.starts is None else one.starts for one in actions)
    end = max(math.inf if one.ends is None else one.ends for one in actions)
    return [one._replace(start=start, end=end) for one in windows]


def not_planned_with(contacts: PlanContacts) -> Iterator[str]:
    """What of the limits per customer a plan does not see to, in words.

    Those that a chain could exceed as too many patterns of chains would be needed, and those of which
    nobody looked whether.
    """
    catalog, terms = contacts.catalog, contacts.terms
    for position, limit in enumerate(catalog.limits):
        if "customer" not in limit.scope or not _is_planned(catalog, position, terms):
            continue
        if not is_known(limit):
            of = "of money" if limit.measure == "money" else "with an amount of each customer's own"
            yield (
                f"{limit.name} was not checked: whether a chain exceeds a limit per customer {of} shows "
                "when it is carried out"
            )
        elif position in contacts.known.left_out:
            yield (
                f"{limit.name} is not planned with, as that would make too many patterns of chains: what "
                "exceeds it will be refused"
            )


def _windows(
    cells: LimitCells,
    cell: int,
    periods: Sequence[tuple[float, float]],
    usage: UsageOf,
) -> Iterator[Left]:
    """What is used of the windows from the first period's start to the last one's end."""
    begin = periods[0][0]
    windows = list(windows_of(cells, periods))
    if cells.rolls:
        account = cells.account(cell, "", begin)
        used = usage((account,)).get(account, 0)
        yield from (Left(*one, 0 if number else used) for number, one in enumerate(windows))
        return
    accounts = {cells.account(cell, "", max(begin, one[0])): one for one in windows}
    names = list(accounts)
    for first in range(0, len(names), _ACCOUNTS):
        some = names[first : first + _ACCOUNTS]
        used_of = usage(some)
        for name in some:
            yield Left(*accounts[name], used_of.get(name, 0))


def _named(cell: str, first: int, last: int, periods: int, *, floor: bool) -> str:
    """Periods count from 1 for people; a limit of all of them needs none."""
    cell = f"{cell}, at least" if floor else cell
    if (first, last) == (0, periods - 1):
        return cell
    return f"{cell}, period {first + 1}" + (f"-{last + 1}" if last > first else "")


def _is_planned(catalog: CatalogView, position: int, terms: ContactPlanTerms) -> bool:
    return any(
        position in catalog.limits_of[index]
        for index, treatment in enumerate(catalog.treatments)
        if set(treatment.placements) & set(terms.placements)
    )
