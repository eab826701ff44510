"""Recording interactions: checked, deduplicated, folded into profiles, moving reservations."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

import apsw
import msgspec

from nba_engine.domain import CONFIRMING, RELEASING, Fold, Interaction, InteractionResult
from nba_engine.store.customers import (
    Changing,
    Working,
    WorkingSet,
    erased_at,
    kept_since,
    last_erased_at,
    stored_text,
)
from nba_engine.store.ledger import Ledger, Moved

__all__ = [
    "FUTURE_SECONDS",
    "Prepared",
    "fault_of",
    "fold_into",
    "prepare",
    "record_interactions",
    "record_items",
    "without_erased",
    "without_forgotten",
]

_Customer = TypeVar("_Customer")

# A real store refuses times further ahead than any clock may be wrong: one such interaction
# would age every decayed counter and window of its customer.
FUTURE_SECONDS = 86_400.0

_encode = msgspec.msgpack.Encoder().encode

_INSERT = (
    "INSERT INTO interactions"
    "(interaction_id, customer, identity, type, time, recommendation_id, properties, recorded)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT(interaction_id) DO NOTHING"
)
_KNOWN = "SELECT 1 FROM interactions WHERE interaction_id = ?"


class Prepared(msgspec.Struct, frozen=True):
    """An interaction as it will be stored, or what is wrong with it."""

    interaction: Interaction
    properties: bytes = b""
    fault: str = ""


def prepare(interactions: Sequence[Interaction]) -> list[Prepared]:
    """Check and encode outside of the transaction. A malformed item is marked, no other."""
    return [_prepare(interaction) for interaction in interactions]


def _prepare(interaction: Interaction) -> Prepared:
    for name in ("interaction_id", "identity", "type"):
        if not stored_text(getattr(interaction, name)):
            return Prepared(interaction, fault=f"{name} must be a non-empty text")
    if interaction.recommendation_id and not stored_text(interaction.recommendation_id):
        return Prepared(interaction, fault="recommendation_id is no text")
    if not math.isfinite(interaction.time):
        return Prepared(interaction, fault="time must be a finite number of seconds")
    properties = interaction.properties
    if None in properties.values():
        properties = {name: value for name, value in properties.items() if value is not None}
        interaction = msgspec.structs.replace(interaction, properties=properties)
    try:
        return Prepared(interaction, _encode(properties))
    except (TypeError, ValueError, OverflowError, RecursionError):
        return Prepared(interaction, fault="properties hold something that is no plain value")


def record_interactions(
    connection: apsw.Connection,
    customers: WorkingSet,
    ledger: Ledger,
    items: Sequence[Prepared],
    fold: Fold,
    *,
    now: float,
    latest: float,
) -> list[InteractionResult]:
    """Record inside a change; ``latest`` is the last time that is accepted.

    The caller writes those ``customers`` that got no interaction.
    """
    if math.isfinite(latest):  # a real store's
        items = without_erased(items, last_erased_at(connection), partial(erased_at, connection))
    items = without_forgotten(items, kept_since(connection))
    results, news = record_items(
        items,
        latest=latest,
        insert=lambda item: _insert(connection, customers, item, now),
        move=lambda interaction: _move(connection, ledger, interaction, now),
    )
    for working, interactions in news:
        fold_into(working, interactions, fold)
        working.write()  # now, so that the states of a large batch are not all held at once
    return results


def without_erased(
    items: Sequence[Prepared], last: float, erased_at: Callable[[str], float]
) -> Sequence[Prepared]:
    """The items, with those marked that happened before their customer was erased.

    A repeat, a queue that is behind, an import of last year's file must not bring it back.
    ``last``: when anybody was erased last; ``erased_at``: when whoever had an identity was.
    """
    if all(item.fault or item.interaction.time >= last for item in items):
        return items
    times = {item.interaction.identity: last for item in items if not item.fault}
    for identity in times:
        times[identity] = erased_at(identity)
    return [
        msgspec.structs.replace(item, fault="happened before its customer was erased")
        if not item.fault and item.interaction.time < times[item.interaction.identity]
        else item
        for item in items
    ]


def without_forgotten(items: Sequence[Prepared], since: float | None) -> Sequence[Prepared]:
    """The items, with those marked that took place before what is still kept."""
    if since is None or all(item.fault or item.interaction.time >= since for item in items):
        return items
    return [
        msgspec.structs.replace(item, fault="happened before what is still kept")
        if not item.fault and item.interaction.time < since
        else item
        for item in items
    ]


def fault_of(item: Prepared, latest: float) -> str:
    """What is wrong with an item; "": it can be recorded. ``latest``: the last time accepted."""
    if not item.fault and item.interaction.time > latest:
        return "time lies more than a day ahead of the store's clock"
    return item.fault


def record_items(
    items: Sequence[Prepared],
    *,
    latest: float,
    insert: Callable[[Prepared], _Customer | None],
    move: Callable[[Interaction], Moved | None],
) -> tuple[list[InteractionResult], list[tuple[_Customer, list[Interaction]]]]:
    """Record items in their order: the results, and each customer with what it did.

    ``insert`` stores one and gives its customer, always the same object, or None when its id is
    known; ``move`` moves the reservation of one that names a recommendation.
    """
    results = []
    news: dict[int, tuple[_Customer, list[Interaction]]] = {}
    for item in items:
        interaction = item.interaction
        fault = fault_of(item, latest)
        if fault:
            results.append(
                InteractionResult(
                    interaction_id=str(interaction.interaction_id), status="rejected", message=fault
                )
            )
            continue
        customer = insert(item)
        if customer is None:
            results.append(
                InteractionResult(interaction_id=interaction.interaction_id, status="duplicate")
            )
            continue
        news.setdefault(id(customer), (customer, []))[1].append(interaction)
        moved = move(interaction) if interaction.recommendation_id else None
        results.append(
            InteractionResult(
                interaction_id=interaction.interaction_id,
                status="recorded",
                reservation=moved or "",
            )
        )
    return results, list(news.values())


def fold_into(customer: Changing, interactions: Sequence[Interaction], fold: Fold) -> None:
    """Fold what a customer did into its aggregates."""
    before = customer.state.aggregates
    after = fold(before, interactions)
    if after != before:
        customer.replace(aggregates=after)


def _insert(
    connection: apsw.Connection, customers: WorkingSet, item: Prepared, now: float
) -> Working | None:
    """Store one interaction; its customer, or None when its id is known."""
    interaction = item.interaction
    working = customers.find(interaction.identity)
    if working is None:
        # a repeat must not create a customer
        if connection.execute(_KNOWN, (interaction.interaction_id,)).get is not None:
            return None
        working = customers.find_or_create(interaction.identity)
    connection.execute(
        _INSERT,
        (
            interaction.interaction_id,
            working.row,
            interaction.identity,
            interaction.type,
            interaction.time,
            interaction.recommendation_id,
            item.properties,
            now,
        ),
    )
    return working if connection.changes() else None


def _move(
    connection: apsw.Connection, ledger: Ledger, interaction: Interaction, now: float
) -> Moved | None:
    if interaction.type in CONFIRMING:
        return ledger.confirm(connection, interaction.recommendation_id, now)
    if interaction.type in RELEASING:
        return ledger.release(connection, interaction.recommendation_id, now)
    return None
