"""How good a model is on the last period, and whether it beats what costs nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from nba_engine.domain import FloatArray
from nba_engine.learning.baselines import popularity
from nba_engine.learning.metrics import auc, ece, lift, log_loss
from nba_engine.learning.resampling import Interval, weighted_interval
from nba_engine.learning.training.examples import Examples

__all__ = [
    "Figures",
    "Verdict",
    "figures_of",
    "importance_of",
    "judge",
    "own_frequency",
    "popularity_of",
]

_STRENGTHS = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 1000.0)
_SMALLEST = 1e-6
_RESAMPLES = 500


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """Held-out figures of one scorer; ``auc`` and ``lift`` are NaN without positives."""

    log_loss: float
    auc: float
    ece: float
    lift: float  # of the best tenth


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """By how much the model's log-loss is below each baseline's, as a share, with its interval.

    ``beats``: below all of them, and not by chance.
    """

    gains: Mapping[str, Interval]

    @property
    def beats(self) -> bool:
        return all(gain.low > 0 for gain in self.gains.values())

    @property
    def words(self) -> str:
        """One sentence for people."""
        told = [
            f"{gain.value:+.1%} against {name} (95%: {gain.low:+.1%} to {gain.high:+.1%})"
            for name, gain in self.gains.items()
        ]
        answer = "Yes: it beats" if self.beats else "No: it does not beat"
        return f"{answer} the baselines. Log-loss saved: {', '.join(told)}."


def figures_of(label: FloatArray, probability: FloatArray) -> Figures:
    """All figures of one scorer."""
    both = bool(label.min() != label.max())
    return Figures(
        log_loss=log_loss(label, probability, smallest=_SMALLEST),
        auc=auc(label, probability) if both else float("nan"),
        ece=ece(label, probability),
        lift=lift(label, probability) if label.any() else float("nan"),
    )


def popularity_of(known: Examples, asked: Examples) -> FloatArray:
    """The share of positives that each example's action had before, (n,)."""
    shares = popularity(known.label, known.action, len(known.actions), smoothing=20.0)
    return np.asarray(shares[asked.action], dtype=np.float64)


def own_frequency(known: Examples, asked: Examples) -> FloatArray | None:
    """The share of positives that the customer had with the action, drawn to the action's own.

    Of examples whose outcome was known when the example was decided. How strongly it is drawn is
    settled by likelihood on the ``known`` ones. None when no customer is met twice.
    """
    both = _joined(known, asked)
    pair = both.customer.astype(np.int64) * len(both.actions) + both.action
    shown, taken = _earlier(pair, both)
    if not shown.any():
        return None
    prior = popularity_of(known, both)
    early = np.arange(len(both)) < len(known)

    def at(strength: float) -> FloatArray:
        return (taken + strength * prior) / (shown + strength)

    losses = [log_loss(both.label[early], at(one)[early], smallest=_SMALLEST) for one in _STRENGTHS]
    return at(_STRENGTHS[int(np.argmin(losses))])[~early]


def judge(
    examples: Examples, model: FloatArray, baselines: Mapping[str, FloatArray], *, seed: int
) -> Verdict:
    """Hold a model against baselines, with intervals over customers (rows, where none is named)."""
    units = examples.customer if len(np.unique(examples.customer)) > 1 else np.arange(len(examples))
    code = np.unique(units, return_inverse=True)[1].reshape(-1)
    own = np.bincount(code, weights=_losses(examples.label, model))
    gains = {}
    for name, probability in baselines.items():
        theirs: FloatArray = np.bincount(code, weights=_losses(examples.label, probability)).astype(
            np.float64
        )

        def gain(weight: FloatArray, theirs: FloatArray = theirs) -> float:
            return 1.0 - float(weight @ own) / max(float(weight @ theirs), 1e-12)

        random = np.random.default_rng(seed)
        gains[name] = weighted_interval(gain, len(own), random=random, resamples=_RESAMPLES)
    return Verdict(gains=gains)


def importance_of(
    predict: Callable[[NDArray[np.float32]], FloatArray], examples: Examples, *, seed: int
) -> dict[str, float]:
    """How much log-loss each input saves: what shuffling it costs (Breiman 2001), largest first."""
    random = np.random.default_rng(seed)
    rows, label = examples.rows, examples.label
    whole = log_loss(label, predict(rows), smallest=_SMALLEST)
    costs = {}
    for at, feature in enumerate(examples.features):
        shuffled = rows.copy()
        shuffled[:, at] = rows[random.permutation(len(rows)), at]
        costs[feature.name] = log_loss(label, predict(shuffled), smallest=_SMALLEST) - whole
    return dict(sorted(costs.items(), key=lambda item: -item[1]))


def _losses(label: FloatArray, probability: FloatArray) -> FloatArray:
    p = np.clip(probability, _SMALLEST, 1 - _SMALLEST)
    losses: FloatArray = -(label * np.log(p) + (1 - label) * np.log1p(-p))
    return losses


def _joined(known: Examples, asked: Examples) -> Examples:
    columns: dict[str, Any] = {
        name: np.concatenate([getattr(known, name), getattr(asked, name)])
        for name in ("label", "time", "known", "action", "customer")
    }
    return msgspec.structs.replace(known, rows=known.rows[:0], **columns)


def _earlier(pair: NDArray[np.int64], examples: Examples) -> tuple[FloatArray, FloatArray]:
    """Per example: how many of its pair were known before it, and how many of these positive."""
    code = np.unique(pair, return_inverse=True)[1].reshape(-1)
    start = float(min(examples.time.min(), examples.known.min()))
    span = float(max(examples.time.max(), examples.known.max())) - start + 2.0
    key = code * span + (examples.known - start + 1.0)
    order = np.argsort(key, kind="stable")
    positives = np.concatenate([[0.0], np.cumsum(examples.label[order])])
    sorted_key = key[order]
    # what is known at the very moment counts, but no example tells of itself
    side: Literal["left", "right"] = "right" if (examples.known > examples.time).all() else "left"
    until = np.searchsorted(sorted_key, code * span + (examples.time - start + 1.0), side=side)
    since = np.searchsorted(sorted_key, code * span, side="left")
    until = np.maximum(until, since)
    return (until - since).astype(np.float64), positives[until] - positives[since]
