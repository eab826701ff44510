"""One decision over one snapshot, and the answer built from what the pipeline left."""

from __future__ import annotations

import numpy as np

from nba_engine.domain import (
    Candidates,
    CatalogView,
    Deciding,
    Decision,
    DecisionRequest,
    Reads,
)
from nba_engine.engine.requests import Plan
from nba_engine.errors import StageFailed
from nba_engine.pipeline import STAGE_FAILED

__all__ = ["answer", "dropped_counts", "give_back", "prepare", "settle"]


def prepare(
    catalog: CatalogView,
    request: DecisionRequest,
    plan: Plan,
    *,
    decision_id: str,
    reads: Reads,
    now: float,
    seed: int,
    deadline: float | None = None,
) -> Deciding:
    """A decision about to run: every treatment that fits a placement is a candidate."""
    return Deciding(
        decision_id=decision_id,
        request=request,
        placements=plan.placements,
        candidates=Candidates(
            plan.index,
            plan.slot,
            catalog.is_nothing,
            one_place=len(plan.placements) == 1,
            units=plan.units,
        ),
        catalog=catalog,
        reads=reads,
        now=now,
        seed=seed,
        deadline=deadline,
    )


def settle(deciding: Deciding) -> dict[str, int]:
    """What was dropped, by "stage/reason"; candidates nobody chose are dropped at last.

    Raises `StageFailed` when the books do not balance: candidates = recommended + dropped.
    """
    candidates = deciding.candidates
    recommended = len(deciding.recommendations)
    if len(candidates) != recommended:
        chosen = _chosen(deciding)
        candidates.stage = "pipeline"
        reason = STAGE_FAILED if deciding.failed else "outranked"
        candidates.drop(~chosen, reason, spare_nothing=False)
    dropped = dropped_counts(candidates)
    if candidates.total != recommended + sum(dropped.values()):
        raise StageFailed(
            f"{candidates.total} candidates, but {recommended} recommended and "
            f"{sum(dropped.values())} dropped"
        )
    return dropped


def give_back(deciding: Deciding, *, recommended: bool) -> None:
    """Release what was granted, but for what is ``recommended`` if anything will be.

    A slate that failed after it reserved leaves such holds, and so does a decision that ends in
    an error.
    """
    kept = {one.recommendation_id for one in deciding.recommendations} if recommended else ()
    unused = tuple(
        [a.reservation_id for a in deciding.answers if a.granted and a.reservation_id not in kept]
    )
    if unused:
        deciding.reads.release(unused, now=deciding.now)


def dropped_counts(candidates: Candidates) -> dict[str, int]:
    """How many candidates fell out, by "stage/reason"."""
    dropped: dict[str, int] = {}
    for drop in candidates.drops:
        key = f"{drop.stage}/{drop.reason}"
        dropped[key] = dropped.get(key, 0) + drop.count
    return dropped


def _chosen(deciding: Deciding) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Which of the surviving candidates are recommended, (n,)."""
    slots = {wanted.placement: slot for slot, wanted in enumerate(deciding.placements)}
    treatments = deciding.catalog.treatment_index
    pairs = {(treatments[one.treatment], slots[one.placement]) for one in deciding.recommendations}
    candidates = deciding.candidates
    return np.fromiter(
        (
            pair in pairs
            for pair in zip(candidates.index.tolist(), candidates.slot.tolist(), strict=True)
        ),
        dtype=np.bool_,
        count=len(candidates),
    )


def answer(
    deciding: Deciding,
    *,
    dropped: dict[str, int],
    model_versions: dict[str, str],
    micros: dict[str, int],
) -> Decision:
    """The answer to the request."""
    return Decision(
        decision_id=deciding.decision_id,
        customer_id=deciding.customer_id,
        known=deciding.known,
        time=deciding.now,
        catalog_version=deciding.catalog.version,
        model_versions=model_versions,
        recommendations=tuple(deciding.recommendations),
        decided_by=deciding.decided_by,
        degraded=tuple(deciding.degraded),
        candidates=deciding.candidates.total,
        dropped=dropped,
        stage_micros=micros,
        control_groups=deciding.control_groups,
    )
