"""What a snapshot would fill its slates from, for a request that was logged."""

from __future__ import annotations

from typing import NamedTuple

import msgspec
import numpy as np

from nba_engine.domain import (
    Candidates,
    CatalogView,
    Deciding,
    DecisionRecord,
    FloatArray,
    IntArray,
    Recommendation,
    Stage,
)
from nba_engine.engine.repetition import check_profile
from nba_engine.engine.replay import RecordedReads, replay
from nba_engine.engine.snapshot import Snapshot
from nba_engine.engine.supposed import SupposedReads

__all__ = ["Ranked", "ranked_by"]

_SLATE = "slate"
_REFUSED = frozenset({"limit_refused", "render_failed"})


class Ranked(NamedTuple):
    """Candidates as they come to the slate, (n,): index of the treatment, of the placement, numbers.

    ``propensity``, ``value`` and ``cost`` are None where no stage gave them. ``refused``: positions
    that the ledger or a template refused when this snapshot filled its own slates, which are the
    ``recommendations``.
    """

    catalog: CatalogView
    treatment: IntArray
    slot: IntArray
    score: FloatArray
    propensity: FloatArray | None
    value: FloatArray | None
    cost: FloatArray | None
    refused: frozenset[int]
    recommendations: tuple[Recommendation, ...]


def ranked_by(snapshot: Snapshot, record: DecisionRecord) -> Ranked:
    """Decide a logged request with a snapshot, up to its slate and beyond.

    Clock, seed, customer and usage of limits are those on record; accounts that are not count as
    unused. Raises `FailedPrecondition` when the profile is gone, `InvalidRequest` when this catalog
    does not have what was asked for.
    """
    check_profile(record)
    before = _BeforeSlate()
    # which model decides for this customer is for this snapshot to say
    record = msgspec.structs.replace(record, decided_by="")
    reads = SupposedReads(
        record, RecordedReads(record), lambda accounts: dict.fromkeys(accounts, 0)
    )
    deciding = replay(snapshot, record, reads, before)
    candidates = before.candidates
    if candidates is None:
        index: IntArray = np.zeros(0, dtype=np.intp)
        return Ranked(
            snapshot.catalog, index, index, np.zeros(0), None, None, None, frozenset(), ()
        )
    index, slot = candidates.index, candidates.slot
    score = _column(candidates, "score")
    return Ranked(
        catalog=snapshot.catalog,
        treatment=index,
        slot=slot,
        score=np.zeros(len(index)) if score is None else score,
        propensity=_column(candidates, "propensity"),
        value=_column(candidates, "value"),
        cost=_column(candidates, "cost"),
        refused=_refused(deciding, index, slot),
        recommendations=tuple(deciding.recommendations),
    )


class _BeforeSlate:
    """Keeps what the candidates were when the slate was reached."""

    def __init__(self) -> None:
        self.candidates: Candidates | None = None
        self._reached = False

    def __call__(self, name: str, _stage: Stage, deciding: Deciding, _before: int) -> None:
        self._reached = self._reached or name == _SLATE or bool(deciding.recommendations)
        if not self._reached:
            self.candidates = deciding.candidates.detached()


def _column(candidates: Candidates, name: str) -> FloatArray | None:
    # there is no `get`
    return candidates[name] if name in candidates else None  # noqa: SIM401


def _refused(deciding: Deciding, index: IntArray, slot: IntArray) -> frozenset[int]:
    gone = {
        pair
        for drop in deciding.candidates.drops
        if drop.stage == _SLATE and drop.reason in _REFUSED
        for pair in zip(drop.index.tolist(), drop.slot.tolist(), strict=True)
    }
    if not gone:
        return frozenset()
    pairs = zip(index.tolist(), slot.tolist(), strict=True)
    return frozenset(position for position, pair in enumerate(pairs) if pair in gone)
