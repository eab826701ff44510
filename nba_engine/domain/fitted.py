"""What `nba affinity fit` and `nba reorder fit` learn of everybody, and what it makes of one customer.

A *prior* belongs to one aggregate of the catalog: what is usual, and how much evidence of a
customer's own outweighs it. Plain numbers: reading them takes no statistics package.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple, TypeAlias

import msgspec

__all__ = [
    "AFFINITIES",
    "DAY",
    "FITTED",
    "UNFITTED",
    "AffinityPrior",
    "Cycle",
    "Fitted",
    "FittedTable",
    "Prior",
    "ReorderPrior",
    "SharePrior",
    "TreatmentScore",
    "Wait",
    "affinities",
    "due",
    "shares",
    "wait_of",
]

DAY = 86_400.0
# what was fitted, among the versions of models (none can be called like this), and its version
# of a decision that was made without
AFFINITIES, UNFITTED = "[affinities]", "-"
FITTED = ("affinity", "share", "reorder")  # kinds of aggregates that need a prior

_MOST = 0.999  # no rate is a certainty
# by segment ("" is everybody), by word
_Means: TypeAlias = Mapping[str, Mapping[str, float]]


class AffinityPrior(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="affinity"
):
    """Response rates: Beta(κ·μ, κ·(1 - μ)) per word, with the customer's own level above it.

    ``means``: response rate μ by segment and word; ``weights``: by word, how many contacts the
    mean counts as (κ); ``customer_weight``: how many expected responses say as much of a customer's
    general responsiveness as a word's own do (0: customers have none of their own).
    """

    means: _Means
    weights: Mapping[str, float]
    customer_weight: float = 0.0


class SharePrior(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="share"
):
    """Shares: Dirichlet(κ·μ). ``means``: share μ by segment and word; ``weight``: κ, in purchases."""

    means: _Means
    weight: float


class Cycle(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a category is bought again: gaps in days are Gamma(``shape``, λ), λ is Gamma(a, b).

    ``a`` and ``b`` are what is known of customers without a gap of their own. With m gaps that add
    up to S days, a gap's quantile is factor[m] · (b + S) / (a + shape · m); the last factor holds
    for more gaps. ``wait``: until it is worth offering again; ``usual``: the median.
    """

    shape: float
    a: float
    b: float
    wait: tuple[float, ...]
    usual: tuple[float, ...]


class ReorderPrior(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="reorder"
):
    """``cycles``: by category; those that are bought at random have none.

    ``share``: which part of such customers has bought again when the wait is over.
    """

    cycles: Mapping[str, Cycle]
    share: float


Prior: TypeAlias = AffinityPrior | SharePrior | ReorderPrior


class Fitted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A prior, and what the aggregate counted when it was fitted: it holds for nothing else."""

    by: str
    half_life: float
    types: tuple[str, ...]
    positive: tuple[str, ...] = ()
    segment: str = ""
    prior: Prior


class TreatmentScore(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """P(response) = sigmoid(``bias`` + ``slope`` · logit(propensity) + Σ exponent · log(affinity)).

    ``exponents`` by aggregate: how far responses bear out what an affinity says (1: fully).
    """

    bias: float
    slope: float
    exponents: Mapping[str, float]


class FittedTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that was fitted: by aggregate, and the treatment score if responses could calibrate it."""

    aggregates: Mapping[str, Fitted] = {}
    score: TreatmentScore | None = None


class Wait(NamedTuple):
    """Days from a purchase until it is worth offering again, and until it is usually bought again."""

    offered: float
    usual: float


def affinities(
    prior: AffinityPrior, cells: Mapping[str, Any], now: float, rate: float, segment: str
) -> dict[str, float]:
    """By word: how many times as often as others this customer responds; 1.0: like others.

    ``cells``: [time, contacts, responses] as of that time, fading by 2^(-``rate`` · seconds).
    """
    means = prior.means.get(segment) or prior.means.get("", {})
    contacts: dict[str, float] = {}
    answers: dict[str, float] = {}
    expected = answered = 0.0
    for word, mean in means.items():
        cell = cells.get(word)
        if cell is None:
            continue
        faded = math.exp2(min(0.0, cell[0] - now) * rate)
        contacts[word] = cell[1] * faded
        answers[word] = min(cell[2], cell[1]) * faded
        expected += contacts[word] * mean
        answered += answers[word]
    level = 1.0
    if prior.customer_weight > 0:
        level = (prior.customer_weight + answered) / (prior.customer_weight + expected)
    found = {}
    for word, mean in means.items():
        weight = prior.weights.get(word, 0.0)
        n = contacts.get(word, 0.0)
        usual = min(mean * level, _MOST)
        own = (weight * usual + answers.get(word, 0.0)) / (weight + n) if weight + n else usual
        found[word] = min(own, _MOST) / mean
    return found


def shares(
    prior: SharePrior, cells: Mapping[str, Any], now: float, rate: float, segment: str
) -> dict[str, float]:
    """By word: this customer's share of it over that of others; 1.0: like others."""
    means = prior.means.get(segment) or prior.means.get("", {})
    bought = {
        word: max(0.0, cell[1]) * math.exp2(min(0.0, cell[0] - now) * rate)
        for word, cell in cells.items()
        if word in means
    }
    total = prior.weight + math.fsum(bought.values())
    if not total:
        return dict.fromkeys(means, 1.0)
    return {
        word: (prior.weight + bought.get(word, 0.0) / mean) / total for word, mean in means.items()
    }


def wait_of(prior: ReorderPrior, word: str, cell: Any) -> Wait | None:
    """When it is worth offering again; ``cell``: [first, last, purchases]. None: it has no cycle."""
    cycle = prior.cycles.get(word)
    if cycle is None:
        return None
    first, last, count = cell
    gaps = max(0, count - 1)
    scale = (cycle.b + (last - first) / DAY) / (cycle.a + cycle.shape * gaps)
    return Wait(
        cycle.wait[min(gaps, len(cycle.wait) - 1)] * scale,
        cycle.usual[min(gaps, len(cycle.usual) - 1)] * scale,
    )


def due(prior: ReorderPrior, cells: Mapping[str, Any], now: float) -> dict[str, float]:
    """By category: time since the last purchase over the usual time; 1.0: it is due."""
    found = {}
    for word, cell in cells.items():
        wait = wait_of(prior, word, cell)
        if wait is not None and wait.usual > 0:
            found[word] = max(0.0, now - cell[1]) / DAY / wait.usual
    return found
