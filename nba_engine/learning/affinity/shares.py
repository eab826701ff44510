"""Assortment shares per customer: a Dirichlet-multinomial that forgets.

The next thing customer c takes is of word w with probability (κ·μ_w + n_w) / (κ + Σ n): shares of
everybody (or of the segment) and what the customer took before, fading exponentially. κ maximizes the
marginal likelihood, each purchase predicted from what came before it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import optimize

from nba_engine.domain.fitted import SharePrior
from nba_engine.domain.values import BoolArray, FloatArray, IntArray
from nba_engine.learning.affinity.contacts import Events

__all__ = ["Choices", "choices_of", "fit_shares", "likelihoods", "overall_shares"]

_SEGMENT = 200.0  # purchases that everybody's shares count as in a segment
_LEAST, _MOST = math.log(0.05), math.log(1e5)


class Choices(NamedTuple):
    """Things that were taken, and what was known before: of the same word, and of all, faded. (n,)."""

    words: tuple[str, ...]
    customer: IntArray
    word: IntArray
    time: FloatArray
    same: FloatArray
    all: FloatArray

    def where(self, mask: BoolArray) -> Choices:
        """Some of them."""
        return Choices(
            self.words,
            self.customer[mask],
            self.word[mask],
            self.time[mask],
            self.same[mask],
            self.all[mask],
        )


def choices_of(events: Events, half_life: float) -> Choices:
    """Every event with the online counters right before its moment."""
    order = np.lexsort((events.time, events.customer))
    customer, word, time = events.customer[order], events.word[order], events.time[order]
    same = np.empty(len(order))
    total = np.empty(len(order))
    cells: dict[int, list[float]] = {}  # word → [time, amount]
    sum_, at, who = 0.0, -math.inf, -1
    pending: list[int] = []  # words of this moment, counted when it is over
    for row, (c, w, t) in enumerate(
        zip(customer.tolist(), word.tolist(), time.tolist(), strict=True)
    ):
        if c != who:
            cells, pending, sum_, at, who = {}, [], 0.0, t, c
        elif t > at:
            for one in pending:
                cell = cells.setdefault(one, [at, 0.0])
                cell[1] = cell[1] * math.exp2((cell[0] - at) / half_life) + 1.0
                cell[0] = at
            sum_ = (sum_ + len(pending)) * math.exp2((at - t) / half_life)
            pending, at = [], t
        held = cells.get(w)
        same[row] = 0.0 if held is None else held[1] * math.exp2((held[0] - t) / half_life)
        total[row] = sum_
        pending.append(w)
    return Choices(events.words, customer, word, time, same, total)


def overall_shares(choices: Choices) -> FloatArray:
    """Everybody's shares by word (words,), half a purchase added to each."""
    count = np.bincount(choices.word, minlength=len(choices.words)) + 0.5
    return np.asarray(np.minimum(count / count.sum(), 0.999), dtype=np.float64)


def likelihoods(
    choices: Choices, weight: float, mean: FloatArray, of: IntArray | None = None
) -> FloatArray:
    """P(what was taken) for each choice (n,); ``mean`` (words,) or, with ``of`` (n,), (segments, words)."""
    usual = mean[choices.word] if of is None else mean[of, choices.word]
    return np.asarray((weight * usual + choices.same) / (weight + choices.all), dtype=np.float64)


def fit_shares(
    choices: Choices, segments: IntArray | None = None, names: Sequence[str] = ()
) -> SharePrior:
    """The prior by marginal likelihood; ``segments`` (customers,) index ``names``, -1 for none.

    Raises `ValueError` without choices.
    """
    if not len(choices.word):
        raise ValueError("nothing was taken")
    mean = overall_shares(choices)
    means = {"": mean}
    of = np.full(len(choices.word), -1) if segments is None else segments[choices.customer]
    for at, name in enumerate(names):
        mine = of == at
        if name and mine.any():
            count = np.bincount(choices.word[mine], minlength=len(mean))
            means[name] = (count + _SEGMENT * mean) / (count.sum() + _SEGMENT)
    table = np.array([means.get(name, mean) for name in names] + [mean])
    found = optimize.minimize_scalar(
        lambda log: -np.log(likelihoods(choices, math.exp(log), table, of)).sum(),
        bounds=(_LEAST, _MOST),
        method="bounded",
        options={"xatol": 0.01},
    )
    return SharePrior(
        means={
            name: dict(zip(choices.words, shares.tolist(), strict=True))
            for name, shares in means.items()
        },
        weight=float(math.exp(found.x)),
    )
