"""How what is planned goes before everything else without looking like it were worth more."""

from __future__ import annotations

import numpy as np

from nba_engine.domain import BoolArray, FloatArray

__all__ = ["planned_first"]


def planned_first(score: FloatArray, due: BoolArray | None) -> FloatArray:
    """Scores to rank by: those that are ``due`` and worth their cost above all others together."""
    if due is None:
        return score
    raised = due & (score > 0.0)
    if not raised.any():
        return score
    return np.where(raised, score + 1.0 + score[score > 0.0].sum(), score)
