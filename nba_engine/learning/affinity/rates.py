"""Response rates per customer and word: a hierarchical Beta-Binomial that forgets.

Customer c answers a contact of word w (a channel, a tag) with probability

    p = (κ_w · m + s) / (κ_w + n),   m = μ_w · (κ_0 + Σ s) / (κ_0 + Σ n·μ)

n contacts and s responses before it fade exponentially; the sums run over all words. κ and μ maximize
the marginal likelihood, taken apart by the chain rule: each contact is predicted from what came before
it (Gelman et al., Bayesian Data Analysis, 5.1; forgetting as in West and Harrison, 1997). So what is
maximized is what serving does.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy import optimize

from nba_engine.domain.fitted import AffinityPrior
from nba_engine.domain.values import FloatArray, IntArray
from nba_engine.learning.affinity.contacts import Contacts, known_before

__all__ = ["fit_rates", "losses", "pooled_rates", "predicted", "raw_rates"]

_LEAST, _MOST = math.log(0.05), math.log(1e4)  # κ
_CERTAIN = 0.999
_NEAR = 0.5  # how far a word's log κ strays from the others' (standard deviation)
_SWEEPS = 2
_SEGMENT = 50.0  # contacts that everybody's rate counts as in a segment


def fit_rates(
    contacts: Contacts,
    segments: IntArray | None = None,
    names: Sequence[str] = (),
) -> AffinityPrior:
    """The prior by marginal likelihood.

    ``segments`` (customers,): which of ``names`` a customer is of, -1 for none; each has means of its
    own, shrunk to everybody's. Raises `ValueError` without contacts, and without any response.
    """
    if not len(contacts.word) or not contacts.answered.sum():
        raise ValueError("there are no contacts with a response")
    mean = pooled_rates(contacts)
    means = {"": mean}
    of = np.full(len(contacts.word), -1) if segments is None else segments[contacts.customer]
    for at, name in enumerate(names):
        mine = of == at
        if name and mine.any():
            means[name] = _shrunk(contacts.where(mine), mean)
    table = np.array([means.get(name, mean) for name in names] + [mean])
    problem = _Problem(contacts, table, of)
    problem.solve()
    words = contacts.words
    return AffinityPrior(
        means={
            name: dict(
                zip(words, (problem.scale * rates).clip(1e-9, _CERTAIN).tolist(), strict=True)
            )
            for name, rates in means.items()
        },
        weights=dict(zip(words, np.exp(problem.weights).tolist(), strict=True)),
        customer_weight=float(math.exp(problem.level)),
    )


def pooled_rates(contacts: Contacts) -> FloatArray:
    """Responses per contact by word (words,), half a response and a half contact added."""
    width = len(contacts.words)
    shown = np.bincount(contacts.word, weights=contacts.number, minlength=width)
    taken = np.bincount(contacts.word, weights=contacts.answered, minlength=width)
    overall = (taken.sum() + 0.5) / (shown.sum() + 1.0)
    return np.asarray((taken + overall) / (shown + 1.0), dtype=np.float64)


def predicted(contacts: Contacts, prior: AffinityPrior, segment: Sequence[str] = ()) -> FloatArray:
    """P(response) to each contact (n,); ``segment`` (customers,) as texts."""
    order = sorted(prior.means)
    place = {name: at for at, name in enumerate(order)}
    everybody = place[""]
    of = np.full(len(contacts.word), everybody)
    if len(segment):
        codes = np.array([place.get(name, everybody) for name in segment])
        of = codes[contacts.customer]
    words = contacts.words
    default = float(np.mean(list(prior.means[""].values())))
    table = np.array([[prior.means[name].get(word, default) for word in words] for name in order])
    weights = np.array([prior.weights.get(word, math.exp(_MOST)) for word in words])
    return _rate(contacts, table, of, np.log(weights), prior.customer_weight)


def raw_rates(contacts: Contacts, pooled: FloatArray, *, added: float = 0.0) -> FloatArray:
    """The customer's own faded rate before each contact (n,), the pooled rate where there is none.

    ``added`` responses, and twice as many contacts, soften it.
    """
    n, s = known_before(contacts)
    own = (s + added) / np.where(n + added > 0, n + 2 * added, 1.0)
    return np.where(n > 1e-3, own, pooled[contacts.word])


def losses(contacts: Contacts, probability: FloatArray, *, smallest: float = 1e-3) -> FloatArray:
    """Log-loss of each row (n,), summed over its contacts; probabilities are kept off 0 and 1."""
    p = np.clip(probability, smallest, 1.0 - smallest)
    missed = contacts.number - contacts.answered
    return np.asarray(-(contacts.answered * np.log(p) + missed * np.log1p(-p)), dtype=np.float64)


def _rate(
    contacts: Contacts, means: FloatArray, of: IntArray, logs: FloatArray, level_weight: float
) -> FloatArray:
    n, s = known_before(contacts)
    mean = means[of, contacts.word]
    if level_weight > 0:
        expected = np.einsum("ij,ij->i", contacts.seen, means[of])
        mean = mean * (level_weight + contacts.heard.sum(axis=1)) / (level_weight + expected)
    weight = np.exp(logs)[contacts.word]
    own = (weight * np.minimum(mean, _CERTAIN) + s) / (weight + n)
    return np.asarray(np.minimum(own, _CERTAIN), dtype=np.float64)


class _Problem:
    """Coordinate ascent: the shared weights together, then each word's weight, then its mean."""

    def __init__(self, contacts: Contacts, means: FloatArray, of: IntArray) -> None:
        self._contacts = contacts
        self._means = means
        self._of = of
        width = len(contacts.words)
        self.scale = np.ones(width)  # on the pooled rates
        self.weights = np.full(width, math.log(20.0))
        self.level = math.log(5.0)

    def solve(self) -> None:
        for _ in range(_SWEEPS):
            start = np.array([self.level, float(self.weights.mean())])
            found = optimize.minimize(
                lambda x: self._loss(self.scale, np.full_like(self.weights, x[1]), x[0]),
                start,
                method="L-BFGS-B",
                bounds=[(_LEAST, _MOST)] * 2,
            )
            self.level = float(found.x[0])
            center = float(found.x[1])
            self.weights[:] = center
            for word in range(len(self.weights)):
                self._improve_word(word, center)

    def _improve_word(self, word: int, center: float) -> None:
        """This word's weight, near the others', and its mean."""

        def of_weight(value: float) -> float:
            weights = self.weights.copy()
            weights[word] = value
            penalty = ((value - center) / _NEAR) ** 2 / 2.0
            return self._loss(self.scale, weights, self.level) + penalty

        def of_mean(value: float) -> float:
            scale = self.scale.copy()
            scale[word] = math.exp(value)
            return self._loss(scale, self.weights, self.level)

        # a prior mean differs from the share of responses: who answers is contacted more often
        if len(self.weights) > 1:
            bounds = (max(_LEAST, center - 2.0), min(_MOST, center + 2.0))
            self.weights[word] = optimize.minimize_scalar(
                of_weight, bounds=bounds, method="bounded", options={"xatol": 0.02}
            ).x
        self.scale[word] = math.exp(
            optimize.minimize_scalar(
                of_mean, bounds=(-1.0, 1.0), method="bounded", options={"xatol": 0.005}
            ).x
        )

    def _loss(self, scale: FloatArray, weights: FloatArray, level: float) -> float:
        means = np.clip(self._means * scale, 1e-9, _CERTAIN)
        p = _rate(self._contacts, means, self._of, weights, math.exp(level))
        return float(losses(self._contacts, p, smallest=1e-9).sum())


def _shrunk(contacts: Contacts, mean: FloatArray) -> FloatArray:
    """A segment's rates by word, shrunk to everybody's."""
    width = len(mean)
    shown = np.bincount(contacts.word, weights=contacts.number, minlength=width)
    taken = np.bincount(contacts.word, weights=contacts.answered, minlength=width)
    return np.asarray((taken + _SEGMENT * mean) / (shown + _SEGMENT), dtype=np.float64)
