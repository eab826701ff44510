"""The order in which candidates are tried: by score, ties broken by the seeded generator."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nba_engine.domain import Candidates
from nba_engine.domain.values import FloatArray, IntArray

__all__ = ["FEW", "Ranking", "few_best", "scores_of", "tie_keys"]

FEW = 6  # up to here, looking for one maximum after the other is cheaper than sorting


def tie_keys(seed: int, treatments: int) -> FloatArray:
    """A random number per treatment, from a stream of its own: whoever else drew changes nothing."""
    return np.random.Generator(np.random.PCG64([seed, 1])).random(treatments)


def scores_of(candidates: Candidates) -> FloatArray:
    """The scores; 0 where no stage gave one (it failed, or the pipeline has none): not worth it."""
    if "score" not in candidates:
        return np.zeros(len(candidates))
    return candidates["score"]


class Ranking:
    """Candidates by descending score; only as many are sorted as are asked for.

    The same treatment in several placements keeps the order of the request; between different
    treatments with equal scores chance decides, once per decision.
    """

    def __init__(
        self,
        score: FloatArray,
        index: IntArray,
        slot: IntArray,
        keys: Callable[[], FloatArray],
    ) -> None:
        self._score = score
        self._index = index
        self._slot = slot
        self._draw = keys
        self._keys: FloatArray | None = None

    def first(self, count: int) -> list[int] | None:
        """The ``count`` best of all in order; None when they are many, or ties to be settled."""
        return few_best(self._score, count)

    def top(self, pool: IntArray | None, count: int) -> tuple[IntArray, float]:
        """The best of ``pool`` (None: of all) in order, at least ``count``, and their bound.

        Ties are not cut: everything in the pool whose score is at or above the bound is there.
        """
        scores = self._score if pool is None else self._score[pool]
        size = len(scores)
        bound = -np.inf
        if size > 2 * count:
            ordered = scores.copy()
            ordered.partition(size - count)
            bound = float(ordered[size - count])
            best = (scores >= bound).nonzero()[0]
            scores = scores[best]
            pool = best if pool is None else pool[best]
        elif pool is None:
            pool = np.arange(size)
        return self.sorted(pool, scores), bound

    def sorted(self, pool: IntArray, scores: FloatArray) -> IntArray:
        """All of ``pool`` in order."""
        if len(set(scores.tolist())) == len(scores):  # no ties, as nearly always
            return pool[scores.argsort()[::-1]]
        index = self._index[pool]
        slot = self._slot[pool]
        order = np.lexsort((slot, index, -scores))
        if self._keys is None:
            ranked, forms = scores[order], index[order]
            ties = (ranked[1:] == ranked[:-1]) & (forms[1:] != forms[:-1])
            if ties.any():
                self._keys = self._draw()
        if self._keys is not None:
            order = np.lexsort((slot, self._keys[index], -scores))
        return pool[order]


def few_best(scores: FloatArray, count: int) -> list[int] | None:
    """The places of the ``count`` best in order; None when they are many, or ties to be settled."""
    if count > FEW or len(scores) <= 2 * count:
        return None
    left = scores.copy()
    places: list[int] = []
    last = np.inf
    while True:
        place = int(left.argmax())
        best = left.item(place)
        if best == last:
            return None
        if len(places) == count:  # this one only told that the last is not tied
            return places
        places.append(place)
        left[place] = -np.inf
        last = best
