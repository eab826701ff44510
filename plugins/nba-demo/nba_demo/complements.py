"""Which categories go with which: EASE on baskets (Steck 2019), kept where positive."""

from __future__ import annotations

import numpy as np
from nba_engine.domain import FloatArray

from nba_demo.panel import Panel

__all__ = ["LAMBDA", "TOP", "ease", "positive_part"]

LAMBDA = 1000.0
TOP = 40


def ease(panel: Panel, until: float, *, ridge: float = LAMBDA) -> FloatArray:
    """EASE^R weights (A, A) from the baskets before ``until``: row item, column what it predicts.

    B = I − P diag(1/P), P = (XᵀX + λI)⁻¹, X baskets × categories.
    """
    gram = pairs(panel, until) + ridge * np.eye(panel.offers)
    precision = np.linalg.inv(gram)
    weights: FloatArray = -precision / np.diag(precision)[None, :]
    np.fill_diagonal(weights, 0.0)
    return weights


def pairs(panel: Panel, until: float) -> FloatArray:
    """XᵀX of baskets × categories before ``until``, (A, A): baskets that hold both."""
    past = panel.span(-np.inf, until)
    basket, offer = panel.basket[past], panel.cell[past] % panel.offers
    # baskets come in runs: every pair inside a run, one distance within the run after the other
    gram = np.zeros(panel.offers * panel.offers)
    distance = 1
    while True:
        same = np.flatnonzero(basket[distance:] == basket[:-distance])
        if len(same) == 0:
            break
        gram += np.bincount(
            offer[same] * panel.offers + offer[same + distance], minlength=len(gram)
        )
        distance += 1
    matrix = gram.reshape(panel.offers, panel.offers)
    return matrix + matrix.T + np.diag(np.bincount(offer, minlength=panel.offers))


def positive_part(weights: FloatArray, *, top: int = TOP) -> FloatArray:
    """The ``top`` strongest complements of every item, as the engine's tables hold them (> 0)."""
    kept = np.where(weights > 1e-4, weights, 0.0)
    if top < kept.shape[1]:
        bound = np.partition(kept, -top, axis=1)[:, -top][:, None]
        kept = np.where(kept >= bound, kept, 0.0)
    return kept
