"""What a source read, written in one commit with the source's position."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from nba_engine.domain import Interaction, ProfileUpdate, SourceBatch, SourceRecord
from nba_engine.engine.engine import Engine
from nba_engine.engine.interactions import problem_of
from nba_engine.errors import InvalidRequest

__all__ = ["Rejected", "Taken", "mark_name", "take_in"]


class Rejected(msgspec.Struct, frozen=True):
    """A record that cannot be used: where it is, and why."""

    place: str
    problem: str


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a batch: how many were new, were known already, or are rejected."""

    interactions: int = 0
    duplicates: int = 0
    updates: int = 0
    rejected: int = 0


def mark_name(source: str, part: str) -> str:
    """The name under which the store keeps the position of a part of a source."""
    return f"source:{source}:{part}"


def take_in(
    engine: Engine,
    source: str,
    batch: SourceBatch,
    reject: Callable[[Sequence[Rejected]], None],
    *,
    follows: str,
    still: Callable[[], bool] = lambda: True,
) -> Taken | None:
    """Write a batch that was read from the position ``follows``.

    ``reject`` is told what cannot be used, before the commit: never too late, after a crash once
    more. Then ``still`` says whether it is still to be written; None: it was not. Raises
    `FailedPrecondition` when somebody else moved the position on, and what the store raises.
    """
    interactions: list[Interaction] = []
    updates: list[ProfileUpdate] = []
    rejected: list[Rejected] = []
    places: list[str] = []
    for record in batch.records:
        problem = record.problem
        update: ProfileUpdate | None = None
        if not problem:
            update, problem = _judged(engine, record)
        if problem:
            rejected.append(Rejected(record.place, problem))
            continue
        if record.interaction is not None:
            interactions.append(record.interaction)
            places.append(record.place)
        if update is not None:
            updates.append(update)
    if rejected:
        reject(rejected)
    if not still():
        return None
    results = engine.load(
        updates=updates,
        interactions=interactions,
        progress=(mark_name(source, batch.part), batch.position),
        follows=follows,
        tell=True,
    )
    late = [
        Rejected(place, result.message)
        for place, result in zip(places, results, strict=True)
        if result.status == "rejected"
    ]
    if late:  # what only the store could see
        reject(late)
    statuses = [result.status for result in results]
    return Taken(
        interactions=statuses.count("recorded"),
        duplicates=statuses.count("duplicate"),
        updates=len(updates),
        rejected=len(rejected) + len(late),
    )


def _judged(engine: Engine, record: SourceRecord) -> tuple[ProfileUpdate | None, str]:
    """The update in its normal form, and what is wrong with the record ("": nothing)."""
    if record.interaction is None and record.update is None:
        return None, "holds neither an interaction nor a profile"
    if record.interaction is not None:
        problem = problem_of(record.interaction, now=engine.now, simulated=engine.store.simulated)
        if problem:
            return None, problem
    if record.update is None:
        return None, ""
    try:
        return engine.checked_update(record.update), ""
    except InvalidRequest as wrong:
        return None, "; ".join(f"{one.field}: {one.description}" for one in wrong.violations)
