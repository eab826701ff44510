"""Limits per customer, as every chain of a plan has to keep them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import msgspec
import numpy as np

from nba_engine.chains import ChainLimit, ChainRules, Contacts, classes_of, too_many
from nba_engine.domain import BoolArray, CatalogView, IntArray, Limit
from nba_engine.engine.contact_plans.spans import Left, Span, spans_of
from nba_engine.stages.limits import LimitCells, units_of

__all__ = ["Known", "OwnLimit", "chain_limits", "is_known", "windows_of"]

_Times = tuple[float, float]


class OwnLimit(msgspec.Struct, frozen=True, kw_only=True):
    """A limit per customer: the cell of each contact (c,), 0: none; what a cell has in which periods."""

    cell: IntArray
    spans: tuple[Span, ...]

    def used_up(self, made: Sequence[tuple[int, int]]) -> Iterator[tuple[BoolArray, int, int]]:
        """What contacts (position, period) that were made leave no room for: which, from when to when."""
        for first, last, most in self.spans:
            used = np.zeros(int(self.cell.max(initial=0)) + 1, dtype=np.int64)
            for at, period in made:
                used[self.cell[at]] += first <= period <= last
            full = (used >= most) & (used > 0)
            full[0] = False
            if full.any():
                yield full[self.cell], first, last


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """What of the limits per customer is kept: their number in the catalog → what chains keep.

    ``left_out``: of those that count contacts the ones that would make too many patterns. ``own``: all
    that count contacts, for what was made already; it need not have kept any rule.
    """

    limits: dict[int, tuple[ChainLimit, ...]]
    left_out: tuple[int, ...]
    own: tuple[OwnLimit, ...]


def is_known(limit: Limit) -> bool:
    """Whether a plan can keep it: it counts contacts of each customer, the same for everybody."""
    return (
        "customer" in limit.scope
        and limit.measure == "contacts"
        and isinstance(limit.amount, int | float)
    )


def chain_limits(
    catalog: CatalogView,
    contacts: Contacts,
    treatments: IntArray,
    rules: ChainRules,
    periods: Sequence[_Times],
) -> Known:
    """What no chain of ``contacts``, which are these treatments, may exceed; of whole windows.

    A contact is given a window that its period overlaps, so that no window takes more than the limit's
    amount (`spans_of`). Those of few kinds of contacts come first.
    """
    found: dict[int, tuple[ChainLimit, ...]] = {}
    own = []
    for position, limit in enumerate(catalog.limits):
        if is_known(limit):
            one = _own(catalog, position, treatments, periods)
            own.append(one)
            found[position] = tuple(_binding(one, contacts, rules))
    kept: dict[int, tuple[ChainLimit, ...]] = {}
    left_out = []
    for position in sorted(found, key=lambda at: (len(found[at]), at)):
        tried = {**kept, position: found[position]}
        with_it = msgspec.structs.replace(contacts, limits=sum(tried.values(), ()))
        if found[position] and too_many(len(classes_of(with_it)[0]), rules):
            left_out.append(position)
        else:
            kept = tried
    return Known(limits=kept, left_out=tuple(sorted(left_out)), own=tuple(own))


def _own(
    catalog: CatalogView, position: int, treatments: IntArray, periods: Sequence[_Times]
) -> OwnLimit:
    limit, cells = catalog.limits[position], LimitCells(catalog, position)
    assert isinstance(limit.amount, int | float)
    units = units_of(limit, limit.amount)
    windows = [Left(*one, units) for one in windows_of(cells, periods)]
    spans = spans_of(periods, windows, [1])
    return OwnLimit(cell=cells.cell[treatments], spans=tuple(spans))


def _binding(limit: OwnLimit, contacts: Contacts, rules: ChainRules) -> Iterator[ChainLimit]:
    """What a chain could exceed without it."""
    for cell in range(1, int(limit.cell.max(initial=0)) + 1):
        counted = limit.cell == cell
        different = len(np.unique(contacts.action[counted]))
        for first, last, most in limit.spans:
            room = 1 + (last - first) // rules.spacing
            if most < min(room, rules.longest, different):
                yield ChainLimit(counted=counted, first=first, last=last, most=most)


def windows_of(cells: LimitCells, periods: Sequence[_Times]) -> Iterator[_Times]:
    """The windows from the first period's start to the last one's end.

    Those that roll are as if windows of that length followed one another: what is done at the beginning
    of each is out of the one before.
    """
    begin, end = periods[0][0], periods[-1][1]
    if cells.rolls:
        for number in range(math.ceil((end - begin) / cells.rolls)):
            start = begin + number * cells.rolls
            yield start, start + cells.rolls
        return
    time = begin
    while time < end:
        window = cells.calendar.at(time)
        yield window.start, window.end
        time = window.end
