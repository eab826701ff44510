"""Models in shadow: their scores for the log, and what explanations tell of them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import msgspec
import numpy as np

from nba_engine.domain import CandidateTrace, Deciding, Decision, DecisionRecord, FloatArray
from nba_engine.domain.words import enumerated

__all__ = ["needed_models", "shadow_bytes", "shadow_scores", "shadow_sentences", "with_shadows"]

_SCORES = np.dtype("<f4")


def needed_models(record: DecisionRecord) -> dict[str, str]:
    """Name → version of the models that a decision rests on: those in shadow are not used."""
    return {
        name: version
        for name, version in record.model_versions.items()
        if name not in record.shadows
    }


def shadow_bytes(deciding: Deciding) -> dict[str, bytes]:
    """By model: what it scored, as it is logged; b"" of one that is not done by the deadline."""
    if not deciding.shadows or deciding.scored is None:
        return {}
    count = len(deciding.scored[0])
    until = math.inf if deciding.deadline is None else deciding.deadline
    found = {name: shadow.scores(until) for name, shadow in deciding.shadows.items()}
    return {
        name: b"" if scores is None or len(scores) != count else scores.astype(_SCORES).tobytes()
        for name, scores in found.items()
    }


def shadow_scores(record: DecisionRecord) -> dict[str, FloatArray]:
    """By model: what it scored, aligned with the candidates that were; without those too late."""
    return {
        name: np.frombuffer(scores, dtype=_SCORES).astype(np.float64)
        for name, scores in record.shadows.items()
        if scores
    }


def with_shadows(
    traces: Sequence[CandidateTrace], record: DecisionRecord, deciding: Deciding
) -> tuple[CandidateTrace, ...]:
    """Traces with a column ``shadow:<model>`` where that model scored, too."""
    scores = shadow_scores(record)
    if not scores or deciding.scored is None:
        return tuple(traces)
    treatments = deciding.catalog.treatments
    index, slot, _ = deciding.scored
    place = {
        (treatments[unit].id, deciding.placements[at].placement): position
        for position, (unit, at) in enumerate(zip(index.tolist(), slot.tolist(), strict=True))
    }
    return tuple(_told(one, place.get((one.treatment, one.placement)), scores) for one in traces)


def shadow_sentences(decision: Decision, record: DecisionRecord) -> Iterator[str]:
    """Which model decided, if others scored beside it."""
    if not record.shadows or not decision.decided_by:
        return
    version = decision.model_versions.get(decision.decided_by, "?")
    others = enumerated([f"“{name}”" for name in record.shadows])
    were = "was" if len(record.shadows) == 1 else "were"
    yield (
        f"The propensities are those of the model “{decision.decided_by}” (version {version}); "
        f"{others} scored beside it and {were} not used."
    )


def _told(
    trace: CandidateTrace, position: int | None, scores: Mapping[str, FloatArray]
) -> CandidateTrace:
    if position is None:
        return trace
    told = {
        f"shadow:{name}": float(column[position])
        for name, column in scores.items()
        if position < len(column) and math.isfinite(column[position])
    }
    return msgspec.structs.replace(trace, columns={**trace.columns, **told})
