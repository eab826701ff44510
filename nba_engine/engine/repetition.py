"""Logged decisions repeated from their records alone, and held against them field by field."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec
import numpy as np

from nba_engine.domain import DecisionRecord, Recommendation
from nba_engine.engine.decide import answer, settle
from nba_engine.engine.record import candidates_of, record_of
from nba_engine.engine.replay import RecordedReads, check_versions, replay
from nba_engine.engine.snapshot import Snapshot
from nba_engine.errors import FailedPrecondition, InvalidRequest, NbaError

__all__ = ["Repetition", "repeat"]

_SHOWN = 80  # characters of a value
# wall time differs each time; the others are compared in words of their own
# and nothing rests on models in shadow
_APART = frozenset(
    ("stage_micros", "candidates", "among", "scored", "propensities", "recommendations", "shadows")
)


class Repetition(msgspec.Struct, frozen=True, kw_only=True):
    """What came of deciding a logged decision again.

    ``gone``: an input is not there any more, ``details`` says which; nothing was decided then.
    ``differs``: ``details`` names each field with what it was and what it is now.
    """

    decision_id: str
    outcome: Literal["identical", "differs", "gone"]
    details: tuple[str, ...] = ()


def repeat(snapshot: Snapshot, record: DecisionRecord) -> Repetition:
    """Decide again from the record alone; every field of both records is compared.

    The store is not asked: customer, usage and answers are those on record.
    """
    try:
        check_versions(snapshot, record)
        check_profile(record)
        request, plan = snapshot.requests.read(record.request, simulated=True)
    except (FailedPrecondition, InvalidRequest) as error:
        return Repetition(decision_id=record.decision_id, outcome="gone", details=(error.message,))
    try:
        deciding = replay(snapshot, record, RecordedReads(record), None)
        decision = answer(
            deciding,
            dropped=settle(deciding),
            model_versions=record.model_versions,  # of all that it rests on, it was just checked
            micros={},
        )
    except NbaError as error:
        details: tuple[str, ...] = (f"it cannot be decided again: {error.message}",)
    else:
        details = tuple(differences(record, record_of(deciding, request, plan, decision)))
    return Repetition(
        decision_id=record.decision_id,
        outcome="differs" if details else "identical",
        details=details,
    )


def check_profile(record: DecisionRecord) -> None:
    """Raises `FailedPrecondition` when the customer's state is no longer on record."""
    if record.known and not record.profile:
        raise FailedPrecondition(
            "the customer's profile is no longer on record",
            metadata={"decision_id": record.decision_id},
        )


def differences(then: DecisionRecord, now: DecisionRecord) -> list[str]:
    """Each field that differs, with both values; wall times aside."""
    found = _of_recommendations(then.recommendations, now.recommendations)
    for name in DecisionRecord.__struct_fields__:
        if name in _APART:
            continue
        old, new = getattr(then, name), getattr(now, name)
        if name == "profile":
            found += [] if old == new else ["profile: other bytes"]
        elif isinstance(old, Mapping):
            found += [
                f"{name}[{key}]: {_shown(old.get(key))} then, {_shown(new.get(key))} now"
                for key in sorted({*old, *new})
                if old.get(key) != new.get(key)
            ]
        elif old != new:
            found.append(f"{name}: {_shown(old)} then, {_shown(new)} now")
    return found + _of_candidates(then, now)


def _of_recommendations(then: Sequence[Recommendation], now: Sequence[Recommendation]) -> list[str]:
    old = {(one.placement, one.position): one for one in then}
    new = {(one.placement, one.position): one for one in now}
    found: list[str] = []
    for place, position in dict.fromkeys((*old, *new)):
        was, is_now = old.get((place, position)), new.get((place, position))
        name = f"{place}[{position}]"
        if was is None or is_now is None or was.treatment != is_now.treatment:
            found.append(f"{name}: {_named(was)} then, {_named(is_now)} now")
            continue
        found += [
            f"{name}.{field}: {_shown(getattr(was, field))} then, "
            f"{_shown(getattr(is_now, field))} now"
            for field in Recommendation.__struct_fields__
            if getattr(was, field) != getattr(is_now, field)
        ]
    return found


def _of_candidates(then: DecisionRecord, now: DecisionRecord) -> list[str]:
    columns = ("candidates", "among", "scored", "propensities")
    if all(getattr(then, name) == getattr(now, name) for name in columns):
        return []
    old, new = candidates_of(then), candidates_of(now)
    if len(old.index) != len(new.index):
        return [f"candidates: {len(old.index)} after eligibility then, {len(new.index)} now"]
    others = int(((old.index != new.index) | (old.slot != new.slot)).sum())
    if others:
        return [f"candidates: {others} of {len(old.index)} are others"]
    unlike = old.propensity != new.propensity
    unlike &= ~(np.isnan(old.propensity) & np.isnan(new.propensity))
    return [f"propensities: {int(unlike.sum())} of {len(old.index)} differ"] if unlike.any() else []


def _named(one: Recommendation | None) -> str:
    return "nothing" if one is None else f"{one.treatment} ({one.score:.9g})"


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
