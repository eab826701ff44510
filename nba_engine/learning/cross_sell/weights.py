"""Which things go with which: EASE and shrunk log-lift, cut down to a complement table."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, sparse

from nba_engine.domain.values import FloatArray
from nba_engine.models import CsrTable

__all__ = ["ease", "log_lift", "top_complements"]


def ease(interactions: NDArray[Any] | Any, penalty: float = 1000.0) -> FloatArray:
    """EASE: weights B (items, items) with a zero diagonal; scores of a basket x are x·B.

    ``interactions`` (users, items), dense or scipy sparse, usually 0/1. Closed form with
    P = inverse(XᵀX + λI): B_ij = -P_ij / P_jj. Steck 2019, "Embarrassingly Shallow Autoencoders for
    Sparse Data". Raises `ValueError` for λ ≤ 0.
    """
    if penalty <= 0:
        raise ValueError("the penalty must be above 0")
    gram = _together(interactions)
    gram[np.diag_indices_from(gram)] += penalty
    inverse = linalg.cho_solve(linalg.cho_factor(gram), np.eye(len(gram)))
    weights: FloatArray = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0.0)
    return weights


def log_lift(interactions: NDArray[Any] | Any, shrink: float = 10.0) -> FloatArray:
    """log((n_ij + s) / (e_ij + s)) with e_ij = n_i·n_j / n: how much more often than by chance.

    ``shrink`` s > 0 pulls rare pairs towards 0. Symmetric, zero diagonal. Entries of
    ``interactions`` (baskets, items) count as present when they are not 0.
    """
    if shrink <= 0:
        raise ValueError("shrink must be above 0")
    present = (interactions != 0).astype(np.float64)
    together = _together(present)
    alone = np.diag(together)
    by_chance = np.outer(alone, alone) / max(present.shape[0], 1)
    lift: FloatArray = np.log((together + shrink) / (by_chance + shrink))
    np.fill_diagonal(lift, 0.0)
    return lift


def top_complements(
    weights: FloatArray,
    items: Sequence[str],
    substitutes: Mapping[str, Collection[str]] | None = None,
    m: int = 20,
) -> CsrTable:
    """The ``m`` strongest positive weights of every row, substitutes left out in both directions.

    ``weights`` (items, items): row = what was bought, column = what goes with it.
    """
    if weights.shape != (len(items), len(items)):
        raise ValueError(f"weights of shape {weights.shape} for {len(items)} items")
    strength = weights.astype(np.float64).copy()
    np.fill_diagonal(strength, 0.0)
    place = {item: position for position, item in enumerate(items)}
    for item, others in (substitutes or {}).items():
        for other in others:
            if item in place and other in place:
                strength[place[item], place[other]] = 0.0
                strength[place[other], place[item]] = 0.0
    indptr, indices, kept = [0], [], []
    for row in strength:
        best = np.argsort(-row, kind="stable")[:m]
        best = best[row[best] > 0.0]
        indices.append(best)
        kept.append(row[best])
        indptr.append(indptr[-1] + len(best))
    empty = np.empty(0)
    return CsrTable(
        items,
        indptr,
        np.concatenate([empty.astype(np.intp), *indices]),
        np.concatenate([empty, *kept]),
    )


def _together(interactions: Any) -> FloatArray:
    gram = interactions.T @ interactions
    if sparse.issparse(gram):
        gram = gram.toarray()
    return np.array(gram, dtype=np.float64)
