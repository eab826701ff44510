"""The limits of a catalog as a table: what is used of each, in its window, of how much."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import unquote

import msgspec

from nba_engine.domain import CatalogView, CustomerState, CustomerView, Limit, Store
from nba_engine.engine.limits import LimitUsage, usage_of_customer, usage_of_limit
from nba_engine.settings import write_duration
from nba_engine.stages.limits import Calendar, amount_of, units_of

__all__ = ["LimitRow", "limit_rows"]

_PAGE = 1_000
_OLDEST = float("inf")


class LimitRow(msgspec.Struct, frozen=True, kw_only=True):
    """What one account of a limit has used in one window; or those of all customers together.

    Amounts are contacts, or money in the catalog's currency. ``amount`` is that of one account, in
    force now; None where it depends on the customer, by ``expression``, and where there is none.
    ``at_least``: the contacts there are to be (0: no minimum). ``scope``: whose account it is. ``together``: the row is that of all customers; ``accounts`` tells how many accounts were
    used, and ``full`` how many have nothing left. ``overrun`` is the part of ``spent`` that late confirmations charged
    without room for it, ``overhang`` what is used beyond the amount. ``start``, ``end``: the
    calendar window, in seconds since the epoch.
    """

    limit: str
    name: str
    measure: str
    per: tuple[str, ...]
    window: str
    amount: float | None
    expression: str = ""
    at_least: int = 0
    scope: Mapping[str, str] = {}
    reserved: float = 0.0
    spent: float = 0.0
    left: float | None = None
    overrun: float = 0.0
    overhang: float = 0.0
    together: bool = False
    accounts: int = 0
    full: int = 0
    start: float | None = None
    end: float | None = None


def limit_rows(
    catalog: CatalogView,
    store: Store,
    *,
    now: float | None,
    limits: Sequence[str] = (),
    customer: CustomerState | None = None,
    past: bool = False,
) -> Iterator[LimitRow]:
    """The rows of each limit, in the order of the catalog; ``limits`` () means all.

    A limit has a row per account, unused it has one all the same; a limit per customer has one for
    all customers. With ``customer`` there are only limits per customer, and rows of that one. The
    window is the one around ``now`` (None: the latest that was used), with ``past`` also those
    that were used before, as far as they are kept.
    """
    for position, limit in enumerate(catalog.limits):
        if (limits and limit.id not in limits) or (customer and "customer" not in limit.scope):
            continue
        table = _Table(limit, _amount(catalog, limit, customer, now), alone=customer is not None)
        for one in _used(catalog, position, store, customer, now):
            table.add(one)
        yield from table.rows(now, past=past)


class _Table:
    """The rows of one limit. ``alone``: all accounts are those of one customer."""

    def __init__(self, limit: Limit, amount: float | None, *, alone: bool) -> None:
        self._limit = limit
        self._amount = amount
        self._together = "customer" in limit.scope and not alone
        self._rows: dict[tuple[str, ...], LimitRow] = {}  # by window and scope

    def add(self, one: LimitUsage) -> None:
        """Count one account."""
        _, *parts, window = one.usage.account.split("|")
        pairs = [part.partition("=") for part in parts if not self._together]
        scope = {name: unquote(value) for name, _, value in pairs if name != "customer"}
        key = (window, *scope.values())
        row = self._rows.get(key) or self._empty(scope, one.start, one.end)
        reserved, spent, ceiling, overrun = (
            amount_of(self._limit, units)
            for units in (one.usage.reserved, one.usage.spent, one.usage.ceiling, one.usage.overrun)
        )
        amount: float | None = ceiling if self._amount is None else self._amount
        if self._limit.amount == math.inf:  # as much as comes
            amount = None
        room = math.inf if amount is None else amount - reserved - spent
        self._rows[key] = msgspec.structs.replace(
            row,
            amount=row.amount if self._together else amount,
            reserved=row.reserved + reserved,
            spent=row.spent + spent,
            left=None if self._together or amount is None else max(0.0, room),
            overrun=row.overrun + overrun,
            overhang=row.overhang + max(0.0, -room),
            accounts=row.accounts + 1,
            full=row.full + (room <= 0),
        )

    def _empty(self, scope: Mapping[str, str], start: float | None, end: float | None) -> LimitRow:
        limit = self._limit
        rolling = limit.window.unit == "rolling"
        window = f"rolling {write_duration(limit.window.seconds)}" if rolling else limit.window.unit
        return LimitRow(
            limit=limit.id,
            name=limit.name,
            measure=limit.measure,
            per=limit.scope,
            window=window,
            amount=self._amount,
            expression="" if isinstance(limit.amount, int | float) else limit.amount.text,
            at_least=limit.at_least,
            scope=scope,
            left=None if self._together else self._amount,
            together=self._together,
            start=None if rolling else start,
            end=None if rolling else end,
        )

    def rows(self, now: float | None, *, past: bool) -> Iterator[LimitRow]:
        """Those of the window that counts, or an unused one; then those of earlier windows."""
        window, start, end = self._window(now)
        rows = sorted(self._rows.items(), key=lambda one: one[0])
        current = [row for key, row in rows if key[0] == window]
        yield from current or [self._empty({}, start, end)]
        if past:
            others = [row for key, row in rows if key[0] != window]
            yield from sorted(others, key=lambda row: _OLDEST if row.start is None else -row.start)

    def _window(self, now: float | None) -> tuple[str, float | None, float | None]:
        unit = self._limit.window.unit
        if unit in {"lifetime", "rolling"}:
            return unit, None, None
        if now is not None:
            return Calendar(self._limit.window).at(now)
        used = [(row.start, row.end, key[0]) for key, row in self._rows.items() if row.start]
        start, end, window = max(used, default=(None, None, ""))
        return window, start, end


def _used(
    catalog: CatalogView,
    position: int,
    store: Store,
    customer: CustomerState | None,
    now: float | None,
) -> Iterator[LimitUsage]:
    """Every account of a limit, page by page."""
    after = ""
    while True:
        if customer is None:
            limit = catalog.limits[position]
            page = usage_of_limit(limit, store, now=now, after=after, most=_PAGE)
        else:
            whose = customer.customer_id
            page = usage_of_customer(
                catalog, position, store, whose, now=now, after=after, most=_PAGE
            )
        yield from page
        if len(page) < _PAGE:
            return
        after = page[-1].usage.account


def _amount(
    catalog: CatalogView, limit: Limit, customer: CustomerState | None, now: float | None
) -> float | None:
    """What one account may use, as the catalog says; None: another amount for each customer, or any."""
    amount = limit.amount
    if amount == math.inf:
        return None
    if not isinstance(amount, int | float):
        if customer is None or now is None:
            return None
        view = CustomerView(customer, catalog.aggregates, now)
        computed = amount.evaluate(view, {}, now)
        if computed is None or not math.isfinite(computed):
            return None
        amount = computed
    return amount_of(limit, units_of(limit, amount))
