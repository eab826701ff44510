"""Interactions checked one by one before they are recorded together."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from nba_engine.domain import (
    DecisionLog,
    Fold,
    Interaction,
    InteractionResult,
    ProfileUpdate,
    Store,
    Value,
    Values,
)
from nba_engine.engine.attribution import attributed
from nba_engine.engine.requests import identity_violation, time_problem
from nba_engine.errors import InvalidRequest, Violation

__all__ = ["MAX_INTERACTIONS", "load_batch", "problem_of", "record_interactions"]

MAX_INTERACTIONS = 1000  # per call
MAX_ID = 256  # characters
MAX_DEPTH = 4  # of lists and maps in properties
AHEAD = 86_400.0  # seconds that a clock elsewhere may be ahead of ours


def record_interactions(
    store: Store,
    log: DecisionLog,
    fold: Fold,
    interactions: Sequence[Interaction],
    *,
    now: float,
    facts: Mapping[str, Values],
) -> list[InteractionResult]:
    """Record those that are well formed in one commit; the others are answered as rejected.

    ``facts``: what treatments have, see `attributed`.
    """
    if len(interactions) > MAX_INTERACTIONS:
        description = f"must not be more than {MAX_INTERACTIONS}"
        raise InvalidRequest([Violation(field="interactions", description=description)])
    return _checked(
        store,
        log,
        interactions,
        now,
        facts,
        lambda good, at: store.record(good, fold, now=at) if good else (),
    )


def load_batch(
    store: Store,
    log: DecisionLog,
    fold: Fold,
    updates: Sequence[ProfileUpdate],
    interactions: Sequence[Interaction],
    *,
    now: float,
    progress: tuple[str, str] | None,
    facts: Mapping[str, Values],
    follows: str | None = None,
) -> list[InteractionResult]:
    """Like `record_interactions` for any number, with updates and a progress mark, in one commit.

    For ``follows`` see `Store.bulk`.
    """
    return _checked(
        store,
        log,
        interactions,
        now,
        facts,
        lambda good, at: store.bulk(
            updates=updates,
            interactions=good,
            fold=fold,
            now=at,
            progress=progress,
            follows=follows,
        ),
    )


def problem_of(interaction: Interaction, *, now: float, simulated: bool) -> str:
    """What is wrong with an interaction; "" when nothing is."""
    return _problem(interaction, None if simulated else now + AHEAD)


def _checked(
    store: Store,
    log: DecisionLog,
    interactions: Sequence[Interaction],
    now: float,
    facts: Mapping[str, Values],
    write: Callable[[Sequence[Interaction], float], Sequence[InteractionResult]],
) -> list[InteractionResult]:
    """Write the well-formed ones; every result at its place."""
    latest = None if store.simulated else now + AHEAD
    problems = [_problem(interaction, latest) for interaction in interactions]
    good = [
        interaction
        for interaction, problem in zip(interactions, problems, strict=True)
        if not problem
    ]
    if store.simulated and good:  # the ledger's clock follows what is replayed
        now = max(interaction.time for interaction in good)
    recorded = iter(write(attributed(good, log, facts), now))
    return [
        InteractionResult(
            interaction_id=interaction.interaction_id, status="rejected", message=problem
        )
        if problem
        else next(recorded)
        for interaction, problem in zip(interactions, problems, strict=True)
    ]


def _problem(interaction: Interaction, latest: float | None) -> str:
    """What is wrong with an interaction; "" when nothing is. Never repeats a property's value."""
    if not interaction.interaction_id or len(interaction.interaction_id) > MAX_ID:
        return f"interaction_id: must have 1 … {MAX_ID} characters"
    if (wrong := identity_violation(interaction.identity)) is not None:
        return f"identity: {wrong.description}"
    if not interaction.type or len(interaction.type) > MAX_ID:
        return f"type: must have 1 … {MAX_ID} characters"
    if problem := time_problem(interaction.time):
        return f"time: {problem}"
    if latest is not None and interaction.time > latest:
        return "time: is more than a day in the future"
    if len(interaction.recommendation_id) > MAX_ID:
        return f"recommendation_id: must not exceed {MAX_ID} characters"
    for name, value in interaction.properties.items():
        if not _plain(value, MAX_DEPTH):
            return (
                f"properties[{name}]: must be a string, a finite number, true or false, or a list "
                "or map of these"
            )
    return ""


def _plain(value: Value, depth: int) -> bool:
    """Whether a value is plain data that can be stored and counted."""
    kind = type(value)
    if kind is str or kind is bool:
        return True
    if kind is int:
        return bool(-(2**63) <= value < 2**63)
    if kind is float:
        return math.isfinite(value)
    if depth == 0:
        return False
    if isinstance(value, list | tuple):
        return all(_plain(item, depth - 1) for item in value)
    if isinstance(value, dict):
        return all(type(k) is str and _plain(v, depth - 1) for k, v in value.items())
    return False
