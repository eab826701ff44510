"""The record of a decision: compact columns, written and read here alone."""

from __future__ import annotations

import msgspec
import numpy as np

from nba_engine.domain import (
    BoolArray,
    Deciding,
    Decision,
    DecisionRecord,
    DecisionRequest,
    FloatArray,
    IntArray,
)
from nba_engine.engine.requests import Plan
from nba_engine.engine.shadows import shadow_bytes

__all__ = ["RecordedCandidates", "candidates_of", "decision_of", "record_of"]

# as the columns are written
_SHORT, _LONG, _PROPENSITY = np.dtype("<u2"), np.dtype("<u4"), np.dtype("<f4")


class RecordedCandidates(msgspec.Struct, frozen=True, eq=False):
    """The candidates after eligibility: treatment index, request slot, propensity (NaN: unscored).

    ``shadows``: what models in shadow scored, by model; NaN: unscored, or not in time.
    """

    index: IntArray
    slot: IntArray
    propensity: FloatArray
    shadows: dict[str, FloatArray] = {}


def record_of(
    deciding: Deciding, request: DecisionRequest, plan: Plan, decision: Decision
) -> DecisionRecord:
    """What is logged of a decision."""
    index, slot, units = deciding.eligible or (plan.index, plan.slot, plan.units)
    places = len(plan.placements)
    size = len(deciding.catalog.treatments)
    keys = index if places == 1 else _keys(index, slot, size)
    candidates, among = _written(keys, units, size * places)
    scored = propensities = b""
    if deciding.scored is not None:
        scored_index, scored_slot, propensity = deciding.scored
        propensities = propensity.astype(_PROPENSITY).tobytes()
        if len(scored_index) != len(index):
            was = np.zeros(size * places, dtype=np.bool_)
            was[_keys(scored_index, scored_slot, size)] = True
            scored = np.packbits(was[keys], bitorder="little").tobytes()
    return DecisionRecord(
        decision_id=decision.decision_id,
        request=request,
        customer_id=decision.customer_id,
        known=decision.known,
        profile=deciding.profile_bytes,
        time=decision.time,
        seed=deciding.seed,
        catalog_version=decision.catalog_version,
        model_versions=decision.model_versions,
        treatments=size,
        candidates=candidates,
        among=among,
        scored=scored,
        propensities=propensities,
        total=decision.candidates,
        dropped=decision.dropped,
        usage=deciding.usage,
        answers=tuple(deciding.answers),
        recommendations=decision.recommendations,
        prices=deciding.prices,
        degraded=decision.degraded,
        failed=tuple(deciding.failed),
        draws=tuple(deciding.draws),
        evidence=deciding.evidence,
        evidence_groups=deciding.evidence_groups,
        contact_plan=deciding.plan,
        decided_by=decision.decided_by,
        shadows=shadow_bytes(deciding),
        control_groups=deciding.control_groups,
        stage_micros=decision.stage_micros,
    )


def candidates_of(record: DecisionRecord) -> RecordedCandidates:
    """The candidates after eligibility, with the propensities of those that were scored."""
    cells = record.treatments * len(record.request.placements)
    if record.among:
        bits = np.frombuffer(record.among, dtype=np.uint8)
        keys = np.flatnonzero(np.unpackbits(bits, count=cells, bitorder="little"))
    else:
        keys = np.frombuffer(record.candidates, dtype=_key_type(cells)).astype(np.intp)
    slot, index = np.divmod(keys, record.treatments)
    was: BoolArray = np.ones(len(index), dtype=np.bool_)
    if record.scored:
        bits = np.frombuffer(record.scored, dtype=np.uint8)
        was = np.unpackbits(bits, count=len(index), bitorder="little").astype(np.bool_)

    def column(scores: bytes) -> FloatArray:
        found = np.full(len(index), np.nan)
        if scores:
            found[was] = np.frombuffer(scores, dtype=_PROPENSITY)
        return found

    shadows = {name: column(scores) for name, scores in record.shadows.items()}
    return RecordedCandidates(index, slot, column(record.propensities), shadows)


def decision_of(record: DecisionRecord) -> Decision:
    """The decision as it was answered."""
    return Decision(
        decision_id=record.decision_id,
        customer_id=record.customer_id,
        known=record.known,
        time=record.time,
        catalog_version=record.catalog_version,
        model_versions=record.model_versions,
        recommendations=record.recommendations,
        decided_by=record.decided_by,
        degraded=record.degraded,
        candidates=record.total,
        dropped=record.dropped,
        stage_micros=record.stage_micros,
        control_groups=record.control_groups,
    )


def _keys(index: IntArray, slot: IntArray, size: int) -> IntArray:
    return index + slot * size


def _written(keys: IntArray, units: int | None, cells: int) -> tuple[bytes, bytes]:
    """The keys as numbers, or one bit per cell: what is shorter. They ascend.

    ``units``: the same as a bitset, if it is known.
    """
    kind = _key_type(cells)
    if cells >= 8 * kind.itemsize * len(keys):
        return keys.astype(kind).tobytes(), b""
    if units is not None:
        return b"", units.to_bytes((cells + 7) // 8, "little")
    among = np.zeros(cells, np.bool_)
    among[keys] = True
    return b"", np.packbits(among, None, "little").tobytes()


def _key_type(cells: int) -> np.dtype[np.uint16] | np.dtype[np.uint32]:
    return _SHORT if cells <= 1 << 16 else _LONG
