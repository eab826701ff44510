"""Who slipped away between two moments, by the value model in force."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from nba_engine.domain import CatalogView, CustomerState, Store, ValueModel, ValueTerms
from nba_engine.domain.algebra import state_for
from nba_engine.domain.customer_value import (
    PURCHASE_DAYS,
    expected_purchases,
    expected_spend,
    p_alive,
)
from nba_engine.domain.purchase_days import DAY, days_until, read_days
from nba_engine.errors import FailedPrecondition

__all__ = ["Slipped", "Slipping", "find_slipped"]

_NEWEST = 1 << 62  # behind all interactions: the state alone

# called with how many customers were looked at, and how many there are about
Progress = Callable[[int, int], None]


class Slipped(msgspec.Struct, frozen=True, kw_only=True):
    """A customer who slipped away. Times in seconds since the epoch, None: not known.

    ``identity`` is the one that was used last, "" if no interaction is left that tells it. ``worth``:
    money expected of the customer within the horizon, as it looked at the first of the two moments.
    ``touch``: the last thing that happened to a recommendation of ours, ``seen``: the last thing at all.
    """

    customer_id: str
    identity: str
    p_alive_before: float
    p_alive: float
    purchase_days: int
    last_purchase: float
    expected_purchases: float
    expected_spend: float | None
    worth: float
    seen: float | None = None
    touch: float | None = None
    touch_type: str = ""
    touch_channel: str = ""


class Slipping(msgspec.Struct, frozen=True, kw_only=True):
    """Who slipped away, the most valuable first; and how that stands among the others.

    ``customers``: those who had bought often enough to be lost; ``away``: of them have probably
    slipped away by now, whenever it was; ``returned``: had at the first moment, and bought since.
    ``possible``: whether the model in force knows of slipping away at all.
    """

    since: float
    until: float
    terms: ValueTerms
    possible: bool
    customers: int
    away: int
    returned: int
    slipped: tuple[Slipped, ...]


def find_slipped(
    store: Store,
    catalog: CatalogView,
    *,
    since: float,
    until: float,
    progress: Progress | None = None,
) -> Slipping:
    """Who was no customer to win back at ``since`` and is one at ``until``.

    Both moments by the model in force, so that what customers did makes the difference, and not a
    new fit. Purchases count by days (UTC). Raises `FailedPrecondition` when nothing was fitted.
    """
    terms, model = _fitted(catalog)
    found: list[Slipped] = []
    customers = away = returned = 0
    for state in _states(store, progress):
        kept = state_for(catalog.aggregates[PURCHASE_DAYS], state.aggregates)
        try:
            now = None if kept is None else days_until(kept, until)
        except (TypeError, ValueError, AttributeError):
            continue  # of an aggregate that had this name before
        if now is None:
            continue
        before = days_until(now, since)
        bought = read_days(now, until).repeats + 1
        customers += bought >= terms.win_back_purchases
        gone, was_gone = _gone(terms, model, now, until), _gone(terms, model, before, since)
        away += gone
        returned += was_gone and not gone
        if gone and not was_gone:
            one = _slipped(state, terms, model, before or now, now, since, until)
            found.append(_with_touch(one, store))
    found.sort(key=lambda one: (-one.worth, one.customer_id))
    return Slipping(
        since=since,
        until=until,
        terms=terms,
        possible=model.alive is not None,
        customers=customers,
        away=away,
        returned=returned,
        slipped=tuple(found),
    )


def _fitted(catalog: CatalogView) -> tuple[ValueTerms, ValueModel]:
    spec = catalog.aggregates.get("win_back")
    if spec is None or spec.value is None:
        raise FailedPrecondition(
            "the catalog in force does not say what customers are worth: add the table [value] "
            "(docs/catalog.md) and publish it"
        )
    if spec.value.model is None:
        raise FailedPrecondition(
            "no value model is in force: fit one with nba value fit, then nba catalog publish"
        )
    return spec.value.terms, spec.value.model


def _states(store: Store, progress: Progress | None) -> Iterator[CustomerState]:
    """Every customer once, as it is now."""
    done, total = 0, store.count_customers()
    met: set[str] = set()  # those merged meanwhile are met as what they have become
    page = store.customer_ids()
    while page.customer_ids:
        for customer_id in page.customer_ids:
            done += 1
            if progress is not None:
                progress(done, max(done, total))
            history = None if customer_id in met else store.history(customer_id, after=_NEWEST)
            met.add(customer_id)
            if history is not None:
                yield history.state
        if not page.more:
            return
        page = store.customer_ids(before=page.more)


def _gone(terms: ValueTerms, model: ValueModel, state: Any, now: float) -> bool:
    """As `customer.win_back` is told."""
    if state is None:
        return False
    bought = read_days(state, now)
    return bought.repeats + 1 >= terms.win_back_purchases and (
        p_alive(model, bought) < terms.win_back_below
    )


def _slipped(
    state: CustomerState,
    terms: ValueTerms,
    model: ValueModel,
    before: Any,
    now: Any,
    since: float,
    until: float,
) -> Slipped:
    then, today = read_days(before, since), read_days(now, until)
    purchases = expected_purchases(model.purchases, then, before, since, terms.horizon)
    spend = expected_spend(model, today)
    return Slipped(
        customer_id=state.customer_id,
        identity="",
        p_alive_before=p_alive(model, then),
        p_alive=p_alive(model, today),
        purchase_days=today.repeats + 1,
        last_purchase=(now[0] + today.recency) * DAY,
        expected_purchases=purchases,
        expected_spend=spend,
        worth=purchases * spend if spend is not None and math.isfinite(spend) else 0.0,
    )


def _with_touch(one: Slipped, store: Store) -> Slipped:
    """The same with what happened last: of all, and of what names a recommendation."""
    seen = touch = None
    after = 0
    while (page := store.history(one.customer_id, after=after)) is not None:
        for happened in page.interactions:
            if seen is None or happened.time >= seen.time:
                seen = happened
            if happened.recommendation_id and (touch is None or happened.time >= touch.time):
                touch = happened
        after = page.last
        if after >= page.newest:
            break
    if seen is None:
        return one
    channel = "" if touch is None else touch.properties.get("channel")
    return msgspec.structs.replace(
        one,
        identity=seen.identity,
        seen=seen.time,
        touch=None if touch is None else touch.time,
        touch_type="" if touch is None else touch.type,
        touch_channel=channel if isinstance(channel, str) else "",
    )
