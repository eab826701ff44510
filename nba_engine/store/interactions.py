"""Recording interactions: checked, deduplicated, folded into profiles, moving reservations."""

from __future__ import annotations

import math
from collections.abc import Sequence

import apsw
import msgspec

from nba_engine.domain import CONFIRMING, RELEASING, Fold, Interaction, InteractionResult
from nba_engine.store.customers import Working, WorkingSet, stored_text
from nba_engine.store.ledger import Ledger, Moved

__all__ = ["Prepared", "prepare", "record_interactions"]

# A real store refuses times further ahead than any clock may be wrong: one such interaction
# would age every decayed counter and window of its customer.
FUTURE_SECONDS = 86_400.0

_encode = msgspec.msgpack.Encoder().encode

_INSERT = (
    "INSERT INTO interactions"
    "(interaction_id, customer, identity, type, time, recommendation_id, properties)"
    " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT(interaction_id) DO NOTHING"
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
    results = []
    news: dict[int, tuple[Working, list[Interaction]]] = {}
    for item in items:
        interaction = item.interaction
        fault = item.fault
        if not fault and interaction.time > latest:
            fault = "time lies more than a day ahead of the store's clock"
        if fault:
            results.append(
                InteractionResult(
                    interaction_id=str(interaction.interaction_id), status="rejected", message=fault
                )
            )
            continue
        working = _insert(connection, customers, item)
        if working is None:
            results.append(
                InteractionResult(interaction_id=interaction.interaction_id, status="duplicate")
            )
            continue
        news.setdefault(working.row, (working, []))[1].append(interaction)
        moved: Moved | None = None
        if interaction.recommendation_id:
            moved = _move(connection, ledger, interaction, now)
        results.append(
            InteractionResult(
                interaction_id=interaction.interaction_id,
                status="recorded",
                reservation=moved or "",
            )
        )
    for working, interactions in news.values():
        before = working.state.aggregates
        after = fold(before, interactions)
        if after != before:
            working.replace(aggregates=after)
        working.write()  # now, so that the states of a large batch are not all held at once
    return results


def _insert(connection: apsw.Connection, customers: WorkingSet, item: Prepared) -> Working | None:
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
