"""Uplift: fitted to two thirds of the customers, judged on the last one, or refused."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import numpy as np

from nba_engine.domain.values import FloatArray, IntArray
from nba_engine.errors import FailedPrecondition
from nba_engine.learning.resampling import Interval
from nba_engine.learning.uplift.learner import (
    Effect,
    Kind,
    Trial,
    check_randomized,
    cross_fitted_scores,
    fit_effect,
    fit_response,
    folds_of,
    response_scores,
)

__all__ = ["Uplift", "fit_uplift", "qini_coefficient", "qini_curve"]

_LEAST = 300  # treated, and as many that were not
_RESAMPLES = 1_000


class Uplift(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """The fit of one action. ``effect`` is None when nothing is shown to be there.

    ``qini``: area between the curve of who gains most first and that of anybody first, in outcomes
    per customer; ``by_propensity``: the same when those likeliest to respond come first, ``gain``:
    the former less the latter. ``average``: mean effect on all, with its 99% interval. All of
    customers that nothing was fitted to, but ``average``: of everybody.
    """

    action: str
    effect: Effect | None
    kind: Kind
    average: Interval
    qini: Interval
    by_propensity: Interval
    gain: Interval
    curves: dict[str, tuple[FloatArray, FloatArray]]  # share of customers, gained outcomes each
    deciles: FloatArray  # effect measured in tenths of customers, those told to gain most first
    told: FloatArray  # effect predicted for them
    customers: int
    treated: int
    judged: int
    seed: int

    @property
    def differs(self) -> bool:
        """Whether the effect is shown to differ between customers as predicted."""
        return self.qini.low > 0.0


def fit_uplift(
    trial: Trial,
    *,
    action: str = "",
    seed: int = 2017,
    tick: Callable[[str], None] = lambda _: None,
) -> Uplift:
    """DR-learner with cross-fitting: trees or a linear effect, or one effect for all, or none.

    Two thirds of the customers fit, and choose between trees and linear by cross-fitted squared error
    of the doubly robust scores; the last third judges. When the Qini coefficient's 95% interval is
    above 0 the effect differs between customers, and the model is fitted to all of them. Otherwise,
    when the 99% interval of the average effect leaves 0 out, everybody has that one. Otherwise there
    is no effect to be seen. Raises `FailedPrecondition` for too few rows, probabilities near 0 or 1,
    and what was not randomized. ``tick`` is called with a word, four times.
    """
    random = np.random.default_rng(seed)
    _check_counts(trial)
    check_randomized(trial, random)
    tick("randomized")
    third = folds_of(trial.unit, 3, random)
    past, judge = trial.part(third != 2), trial.part(third == 2)
    scores = cross_fitted_scores(past, random)
    tick("responses")
    kind = _better(past, scores, random)
    effect = fit_effect(kind, past.rows, scores)
    tick("effect")
    judged = response_scores(past, judge)
    told = effect.predict(judge.rows)
    likely = fit_response(past)(judge.rows)
    qini, by_propensity, gain = _intervals(judged, told, likely, judge.unit, random)
    whole = np.concatenate([scores, judged])
    average = _average(whole, np.concatenate([past.unit, judge.unit]))
    final: Effect | None = None
    if qini.low > 0.0:
        final = fit_effect(kind, trial.rows, cross_fitted_scores(trial, random))
    elif average.low > 0.0 or average.high < 0.0:
        kind = "constant"
        final = fit_effect(kind, trial.rows, whole)
    measured, predicted = _tenths(judged, told)
    tick("judged")
    return Uplift(
        action=action,
        effect=final,
        kind=kind,
        average=average,
        qini=qini,
        by_propensity=by_propensity,
        gain=gain,
        curves={
            "those told to gain most first": qini_curve(judged, told),
            "those likeliest to respond first": qini_curve(judged, likely),
        },
        deciles=measured,
        told=predicted,
        customers=len(trial.rows),
        treated=int(trial.treated.sum()),
        judged=len(judged),
        seed=seed,
    )


def qini_curve(scores: FloatArray, told: FloatArray) -> tuple[FloatArray, FloatArray]:
    """(share of customers treated, outcomes gained per customer), the best told first.

    ``scores`` are doubly robust (Yadlowsky et al. 2021), so that treatment needs not be half and half.
    """
    order = np.argsort(-told, kind="stable")
    gained = np.concatenate([[0.0], np.cumsum(scores[order])]) / len(scores)
    return np.arange(len(scores) + 1) / len(scores), gained


def qini_coefficient(scores: FloatArray, told: FloatArray) -> float:
    """Area between the curve and the straight line to its end: 0 when the order tells nothing."""
    return _area(scores, _order(told), np.ones(len(scores)))


def _area(scores: FloatArray, order: IntArray, weight: FloatArray) -> float:
    """The coefficient with rows drawn ``weight`` times."""
    drawn = weight[order]
    total = drawn.sum()
    share = (np.cumsum(drawn) - 0.5 * drawn) / total
    # ∫ curve - line = Σ score · (share after it) - mean / 2
    return float(np.sum(drawn * scores[order] * (0.5 - share)) / total)


def _order(told: FloatArray) -> IntArray:
    return np.argsort(-told, kind="stable")


def _intervals(
    scores: FloatArray,
    told: FloatArray,
    likely: FloatArray,
    unit: IntArray,
    random: np.random.Generator,
) -> tuple[Interval, Interval, Interval]:
    """Qini coefficients of both orders and their difference; customers are resampled."""
    _, code = np.unique(unit, return_inverse=True)
    code = code.reshape(-1)
    units = int(code.max()) + 1
    mine, other = _order(told), _order(likely)
    found = np.empty((_RESAMPLES, 2))
    for at in range(_RESAMPLES):
        weight = np.bincount(random.integers(0, units, units), minlength=units)[code].astype(float)
        found[at] = _area(scores, mine, weight), _area(scores, other, weight)
    ones = np.ones(len(scores))
    values = _area(scores, mine, ones), _area(scores, other, ones)

    def interval(value: float, drawn: FloatArray) -> Interval:
        low, high = np.quantile(drawn, (0.025, 0.975)).tolist()
        return Interval(value=value, low=low, high=high)

    return (
        interval(values[0], found[:, 0]),
        interval(values[1], found[:, 1]),
        interval(values[0] - values[1], found[:, 0] - found[:, 1]),
    )


def _average(scores: FloatArray, unit: IntArray) -> Interval:
    """The mean with its 99% interval, by customers."""
    _, code = np.unique(unit, return_inverse=True)
    code = code.reshape(-1)
    mean = float(scores.mean())
    sums = np.bincount(code, weights=scores - mean)
    error = float(np.sqrt(np.sum(sums**2))) / len(scores)
    return Interval(value=mean, low=mean - 2.5758 * error, high=mean + 2.5758 * error)


def _better(trial: Trial, scores: FloatArray, random: np.random.Generator) -> Kind:
    """Trees or linear, by the squared error of scores of folds they were not fitted to."""
    fold = folds_of(trial.unit, 2, random)
    losses: dict[Kind, float] = {}
    kinds: tuple[Kind, ...] = ("linear", "trees")
    for kind in kinds:
        told = np.empty(len(scores))
        for one in (0, 1):
            fitted = fit_effect(kind, trial.rows[fold != one], scores[fold != one])
            told[fold == one] = fitted.predict(trial.rows[fold == one])
        losses[kind] = float(np.mean((scores - told) ** 2))
    return min(losses, key=lambda kind: losses[kind])


def _tenths(scores: FloatArray, told: FloatArray) -> tuple[FloatArray, FloatArray]:
    parts = np.array_split(_order(told), 10)
    return (
        np.array([scores[part].mean() for part in parts]),
        np.array([told[part].mean() for part in parts]),
    )


def _check_counts(trial: Trial) -> None:
    treated = int(trial.treated.sum())
    others = len(trial.treated) - treated
    if min(treated, others) < _LEAST:
        raise FailedPrecondition(
            f"{treated:,} treated and {others:,} not treated are too few: {_LEAST} of each are needed"
        )
    if not trial.outcome.any() or trial.outcome.all():
        raise FailedPrecondition("every outcome is the same: there is nothing to learn from")
