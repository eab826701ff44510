"""Which purchase model fits these customers: fitted to the past, held against what came after."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from nba_engine.domain import PurchaseModel
from nba_engine.domain.customer_value import DROPOUT
from nba_engine.errors import InvalidRequest
from nba_engine.learning.value.buyers import Buyers, Purchases, buyers_of, counted
from nba_engine.learning.value.dropout import BetaGeometric, ModifiedBetaGeometric
from nba_engine.learning.value.fitting import refuse
from nba_engine.learning.value.rate import PurchaseRate, RecentRate

__all__ = ["KINDS", "Choice", "HeldOut", "Model", "Slipping", "choose"]

Numbers = NDArray[np.float64]

_CERTAIN = 2.576  # standard errors: 99% of a two-sided interval


class Model(Protocol):
    """What the models of future purchases have in common."""

    @property
    def name(self) -> str: ...
    def fitted(self) -> PurchaseModel: ...
    def log_likelihood(self, buyers: Buyers) -> float: ...
    def alive(self, buyers: Buyers) -> Numbers: ...
    def expected(self, buyers: Buyers, days: float) -> Numbers: ...
    def silent(self, buyers: Buyers, days: float) -> Numbers: ...


class HeldOut(NamedTuple):
    """How a model fitted to the time before told the time after, over the same customers.

    ``deviance``: mean Poisson deviance per customer, less is better; ``behind``: how much more than
    the best model's, and the 95% interval of that; ``correlation`` between expected and actual
    purchases; ``error``: mean absolute error; ``expected``: all purchases together; ``silence``: mean
    log-loss of P(no purchase at all).
    """

    deviance: float
    behind: tuple[float, float, float]
    correlation: float
    error: float
    expected: float
    silence: float


class Slipping(NamedTuple):
    """Whether customers slip away, and which model tells who did; ``model`` "": none does.

    ``gain``: by how much P(no purchase in the time held out) has less log-loss in the best model with
    dropout than in the best without, per customer, and the 99% interval of that.
    """

    model: str
    gain: tuple[float, float, float]


class Choice(NamedTuple):
    """The models by name, each with its figures; ``best`` has the least deviance.

    ``buyers``: as they were at the cut, with what they did after it, ``actual`` (n,). ``refused``:
    models that could not be fitted, and why.
    """

    best: str
    models: dict[str, Model]
    held_out: dict[str, HeldOut]
    refused: dict[str, str]
    slipping: Slipping
    buyers: Buyers
    actual: Numbers
    days: float


KINDS: Mapping[str, type[BetaGeometric | PurchaseRate]] = {
    "bg_nbd": BetaGeometric,
    "mbg_nbd": ModifiedBetaGeometric,
    "gamma_poisson": PurchaseRate,
    "recent_rate": RecentRate,
}


def choose(purchases: Purchases, cut: float, end: float) -> Choice:
    """Fit each model to what came before ``cut``, and compare them on [``cut``, ``end``).

    `RecentRate` sees as many days as are held out. Raises `InvalidRequest` when no model fits, or
    nothing is left to compare them on.
    """
    days = end - cut
    buyers = buyers_of(purchases, cut, max(1, round(days)))
    if not len(buyers.customer):
        raise refuse("nobody bought before the time that is held out: choose a later cut")
    actual = counted(purchases, buyers, cut, end)
    if not actual.any():
        raise refuse("nobody bought in the time that is held out: choose an earlier cut")
    models: dict[str, Model] = {}
    refused: dict[str, str] = {}
    for name, kind in KINDS.items():
        try:
            models[name] = kind.fit(buyers)
        except InvalidRequest as wrong:
            refused[name] = wrong.violations[0].description
    if not models:
        raise refuse("; ".join(f"{name}: {why}" for name, why in refused.items()))
    expected = {name: model.expected(buyers, days) for name, model in models.items()}
    losses = {name: _deviance(told, actual) for name, told in expected.items()}
    silences = {
        name: _log_loss(model.silent(buyers, days), actual == 0) for name, model in models.items()
    }
    best = min(losses, key=lambda name: losses[name].mean())
    held_out = {
        name: HeldOut(
            deviance=float(losses[name].mean()),
            behind=_interval(losses[name] - losses[best], 1.96),
            correlation=_correlation(expected[name], actual),
            error=float(np.abs(expected[name] - actual).mean()),
            expected=float(expected[name].sum()),
            silence=float(silences[name].mean()),
        )
        for name in models
    }
    slipping = _slipping(silences, best)
    return Choice(best, models, held_out, refused, slipping, buyers, actual, days)


def _slipping(silences: Mapping[str, Numbers], best: str) -> Slipping:
    """A model with dropout, if it surely tells the silent better than all without.

    That is the ``best`` of purchases if it is one of these, so that the two are of one piece.
    """
    ends = [name for name in silences if name in DROPOUT]
    stays = [name for name in silences if name not in DROPOUT]
    if not ends or not stays:
        return Slipping("", (math.nan, math.nan, math.nan))
    end, stay = (min(some, key=lambda name: silences[name].mean()) for some in (ends, stays))
    end = best if best in ends else end
    gain = _interval(silences[stay] - silences[end], _CERTAIN)
    return Slipping(end if gain[1] > 0 else "", gain)


def _deviance(expected: Numbers, actual: Numbers) -> Numbers:
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(actual > 0, actual * np.log(actual / expected), 0.0)
    return np.asarray(2.0 * (ratio - (actual - expected)), dtype=np.float64)


def _log_loss(told: Numbers, true: NDArray[np.bool_]) -> Numbers:
    told = np.clip(told, 1e-12, 1.0 - 1e-12)
    return np.asarray(-np.log(np.where(true, told, 1.0 - told)), dtype=np.float64)


def _interval(differences: Numbers, errors: float) -> tuple[float, float, float]:
    """The mean, and its interval of ± so many standard errors."""
    mean = float(differences.mean())
    wide = errors * float(differences.std()) / math.sqrt(len(differences))
    return mean, mean - wide, mean + wide


def _correlation(one: Numbers, other: Numbers) -> float:
    if not one.std() or not other.std():
        return math.nan
    return float(np.corrcoef(one, other)[0, 1])
