"""What has been used of a limit: its accounts with their windows and the amount in force."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from nba_engine.domain import CatalogView, Limit, Store, Usage
from nba_engine.stages.limits import Calendar, LimitCells, named_of, units_of

__all__ = ["LimitUsage", "usage_of_customer", "usage_of_limit"]


class LimitUsage(msgspec.Struct, frozen=True, kw_only=True):
    """One account: ``usage`` with the amount in force, and the calendar window it is of.

    ``start`` and ``end`` are None for a lifetime, and where the limit has other windows by now. Of one
    that rolls ``end`` is now; None when nobody says when that is.
    """

    usage: Usage
    start: float | None = None
    end: float | None = None


def usage_of_limit(
    limit: Limit, store: Store, *, now: float | None, after: str, most: int
) -> Sequence[LimitUsage]:
    """The first ``most`` accounts of a limit whose names come after ``after``."""
    found = store.accounts(named_of(limit), now=now, after=after, most=most)
    return _described(limit, found, now)


def usage_of_customer(
    catalog: CatalogView,
    position: int,
    store: Store,
    customer_id: str,
    *,
    now: float | None,
    after: str,
    most: int,
) -> Sequence[LimitUsage]:
    """The same for one customer; ``position`` counts the catalog's limits."""
    cells = LimitCells(catalog, position)
    found: list[Usage] = []
    for cell in range(1, len(cells.prefixes) + 1):
        prefix = cells.of_customer(cell, customer_id)
        found += store.accounts(prefix, now=now, after=after, most=most)
    found.sort(key=lambda one: one.account)
    return _described(catalog.limits[position], found[:most], now)


def _described(limit: Limit, usages: Sequence[Usage], now: float | None) -> list[LimitUsage]:
    calendar = Calendar(limit.window)
    return [_one(limit, calendar, usage, now) for usage in usages]


def _one(limit: Limit, calendar: Calendar, usage: Usage, now: float | None) -> LimitUsage:
    if isinstance(limit.amount, int | float):
        usage = msgspec.structs.replace(usage, ceiling=units_of(limit, limit.amount))
    key = usage.account.rpartition("|")[2]
    if limit.window.unit == key == "rolling" and now is not None:
        return LimitUsage(usage=usage, start=now - limit.window.seconds, end=now)
    period = calendar.named(key)
    if period is None:
        return LimitUsage(usage=usage)
    return LimitUsage(usage=usage, start=period.start, end=period.end)
