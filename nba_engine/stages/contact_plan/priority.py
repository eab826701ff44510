"""How what is planned goes before everything else without looking like it were worth more."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from nba_engine.domain import FloatArray, IntArray

__all__ = ["planned_first"]


def planned_first(score: FloatArray, index: IntArray, due: Collection[int]) -> FloatArray:
    """Scores to rank by: those of ``due`` treatments, where worth their cost, above all others together."""
    if not due:
        return score
    raised = np.isin(index, list(due)) & (score > 0.0)
    if not raised.any():
        return score
    return np.where(raised, score + 1.0 + score[score > 0.0].sum(), score)
