"""What the held-out figures must keep, each with its interval over households.

A gate is kept or missed by the figure itself; the bounds lie below the intervals, so that a draw
of other households would hardly change the answer.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import numpy as np

from nba_demo.baselines import Session
from nba_demo.campaigns import Response
from nba_demo.intervals import Interval, Resampling, losses
from nba_demo.measures import BINS, recalls
from nba_engine.domain import BoolArray, FloatArray

__all__ = ["Gate", "check_gates"]


class Gate(msgspec.Struct, frozen=True, kw_only=True):
    """One condition on the held-out figures; ``low`` and ``high`` bound its 95 % interval."""

    name: str
    value: float
    low: float
    high: float
    bound: float
    at_least: bool  # otherwise: at most

    @property
    def passed(self) -> bool:
        """Whether the value keeps the bound; NaN does not."""
        return self.value >= self.bound if self.at_least else self.value <= self.bound


def check_gates(
    scores: Mapping[str, FloatArray],
    bought: BoolArray,
    fresh: BoolArray,
    resampling: Resampling,
    session: Session,
    response: Response | None,
    *,
    seed: int,
) -> tuple[Gate, ...]:
    """All gates. ``scores`` by scorer, ``bought`` and ``fresh`` (not bought lately) are (n, A)."""
    model, every = scores["model"], np.ones_like(fresh)
    share, some = recalls(model, bought, fresh)

    def loss(name: str, among: BoolArray) -> FloatArray:
        return losses(bought, scores[name], among)

    found = (
        _at_least(
            "all: log-loss below popularity's",
            resampling.saving(loss("model", every), loss("popularity", every)),
            0.15,
        ),
        _at_least(
            "all: log-loss below own frequency's",
            resampling.saving(loss("model", every), loss("own frequency", every)),
            0.03,
        ),
        _at_most("all: calibration error", resampling.ece(bought, model, every, BINS), 0.010),
        _at_least(
            "cross-sell: log-loss below new-buyer popularity's",
            resampling.saving(loss("model", fresh), loss("new-buyer popularity", fresh)),
            0.05,
        ),
        _at_least("cross-sell: R@10", resampling.ratio(share, some), 0.31),
        _at_most(
            "cross-sell: calibration error", resampling.ece(bought, model, fresh, BINS), 0.005
        ),
        _at_least(
            "in session: R@10 of the complement table",
            Resampling(session.household, seed=seed).ratio(
                session.ease, np.ones(len(session.ease))
            ),
            0.33,
        ),
    )
    return found + (() if response is None else _response(response))


def _response(response: Response) -> tuple[Gate, ...]:
    return (
        _at_least("campaigns: AUC", response.auc, 0.80),
        _at_least("campaigns: AUC above own past's", response.above_own, 0.03),
        _at_most("campaigns: calibration error", response.ece, 0.04),
    )


def _at_least(name: str, figure: Interval, bound: float) -> Gate:
    return _gate(name, figure, bound, at_least=True)


def _at_most(name: str, figure: Interval, bound: float) -> Gate:
    return _gate(name, figure, bound, at_least=False)


def _gate(name: str, figure: Interval, bound: float, *, at_least: bool) -> Gate:
    return Gate(
        name=name,
        value=figure.value,
        low=figure.low,
        high=figure.high,
        bound=bound,
        at_least=at_least,
    )
