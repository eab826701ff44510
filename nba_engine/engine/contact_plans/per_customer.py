"""Limits per customer, as every chain of a plan has to keep them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import msgspec
import numpy as np

from nba_engine.chains import ChainLimit, ChainRules, Contacts, classes_of, too_many
from nba_engine.domain import CatalogView, IntArray, Limit
from nba_engine.engine.contact_plans.spans import Left, spans_of
from nba_engine.stages.limits import LimitCells, units_of

__all__ = ["Known", "chain_limits", "is_known", "windows_of"]

_Times = tuple[float, float]


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """What of the limits per customer is kept: their number in the catalog → what chains keep.

    ``left_out``: of those that count contacts the ones that would make too many patterns.
    """

    limits: dict[int, tuple[ChainLimit, ...]]
    left_out: tuple[int, ...]


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
    for position, limit in enumerate(catalog.limits):
        if is_known(limit):
            found[position] = tuple(
                _of_limit(catalog, position, contacts, treatments, rules, periods)
            )
    kept: dict[int, tuple[ChainLimit, ...]] = {}
    left_out = []
    for position in sorted(found, key=lambda at: (len(found[at]), at)):
        tried = {**kept, position: found[position]}
        with_it = msgspec.structs.replace(contacts, limits=sum(tried.values(), ()))
        if found[position] and too_many(len(classes_of(with_it)[0]), rules):
            left_out.append(position)
        else:
            kept = tried
    return Known(limits=kept, left_out=tuple(sorted(left_out)))


def _of_limit(
    catalog: CatalogView,
    position: int,
    contacts: Contacts,
    treatments: IntArray,
    rules: ChainRules,
    periods: Sequence[_Times],
) -> Iterator[ChainLimit]:
    limit, cells = catalog.limits[position], LimitCells(catalog, position)
    assert isinstance(limit.amount, int | float)
    units = units_of(limit, limit.amount)
    windows = [Left(*one, units) for one in windows_of(cells, periods)]
    spans = spans_of(periods, windows, [1])
    for cell in range(1, len(cells.names) + 1):
        counted = cells.cell[treatments] == cell
        different = len(np.unique(contacts.action[counted]))
        for first, last, most in spans:
            room = 1 + (last - first) // rules.spacing
            if most < min(room, rules.longest, different):  # else no chain can exceed it
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
