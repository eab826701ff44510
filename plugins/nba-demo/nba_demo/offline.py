"""Train on the past, measure on the weeks after: both tasks, against the baselines.

Anchors every 14 days: 12 to train, 2 to validate, 4 to test; the last train label ends before
the first validation anchor, the first test anchor is the cut-off. Features roll with the anchor;
the model, the complement table and the popularities of the catalog stay as of the cut-off. The
popularity baselines are measured anew at every test anchor, which is to their advantage.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from nba_demo.actions import Offer
from nba_demo.baselines import fit_gamma_poisson, old_rate, session_recall
from nba_demo.campaigns import Response, measure_response
from nba_demo.complements import complements, matrix_of
from nba_demo.data import CUT_OFF, Year
from nba_demo.features import Popularity, assemble, measure_popularity
from nba_demo.gates import Gate, check_gates
from nba_demo.intervals import Resampling
from nba_demo.measures import Calibration, Measures, calibration, measure
from nba_demo.model import Model, fit
from nba_demo.panel import HORIZON, Moment, Panel, at_moment, labels
from nba_demo.tastes import Taking, Taste, Tastes
from nba_engine.domain import BoolArray, FloatArray
from nba_engine.models import CsrTable

__all__ = ["Offline", "Trained", "anchors", "evaluate", "train"]

Part = Literal["train", "validation", "test"]
_PARTS: tuple[tuple[Part, int], ...] = (("train", 12), ("validation", 2), ("test", 4))
Tick = Callable[[], None]


class Trained(msgspec.Struct, frozen=True, kw_only=True):
    """The model and what it was trained with, all as of the cut-off."""

    model: Model
    table: CsrTable
    strengths: FloatArray  # the table as a matrix
    popularity: Popularity
    tastes: Tastes
    taste: Taste
    rows: int
    validation_loss: float
    held_out: NDArray[np.float32]  # rows of the validation anchors, for parity


class Offline(msgspec.Struct, frozen=True, kw_only=True):
    """Held-out figures per task and scorer."""

    everything: dict[str, Measures]
    cross_sell: dict[str, Measures]
    in_session_ease: float
    in_session_popularity: float
    response: Response | None  # to campaigns; None: too few households
    calibration: dict[str, Calibration]
    gates: tuple[Gate, ...]


def anchors(part: Part) -> tuple[float, ...]:
    """The moments of one part of the split."""
    step = -sum(count for name, count in _PARTS if name != "test")
    for name, count in _PARTS:
        if name == part:
            return tuple(CUT_OFF + (step + at) * HORIZON for at in range(count))
        step += count
    raise ValueError(part)


def train(
    panel: Panel, offers: Sequence[Offer], *, seed: int = 2017, tick: Tick = lambda: None
) -> Trained:
    """Fit the model on the train anchors. ``tick`` is called once per anchor and step (15)."""
    rows, bought = [], []
    taking = Taking(panel, offers)

    def rolled(moment: Moment) -> NDArray[np.float32]:
        """All features as of the moment's own past."""
        now = moment.now
        affinities = taking.before(now).affinities(moment)
        popularity = measure_popularity(panel, now)
        return assemble(moment, popularity, _strengths(panel, offers, now), affinities)

    for now in anchors("train"):
        moment = at_moment(panel, now)
        features = rolled(moment)
        rows.append(features[moment.active].reshape(-1, features.shape[-1]))
        bought.append(labels(panel, now)[moment.active].reshape(-1))
        tick()
    flat, label = np.concatenate(rows), np.concatenate(bought)
    model = fit(flat, label)
    tick()
    losses, held_out = [], []
    for now in anchors("validation"):
        moment = at_moment(panel, now)
        features = rolled(moment)
        scores = _scored(model, features)
        every = np.broadcast_to(moment.active[:, None], scores.shape)
        held_out.append(features[moment.active].reshape(-1, features.shape[-1]))
        losses.append(measure(scores, labels(panel, now), every).log_loss or 0.0)
        tick()
    table = complements(panel, offers, CUT_OFF)
    return Trained(
        model=model,
        table=table,
        strengths=matrix_of(table),
        popularity=measure_popularity(panel, CUT_OFF),
        tastes=taking.before(CUT_OFF),
        taste=taking.judge(seed=seed),
        rows=len(flat),
        validation_loss=float(np.mean(losses)),
        held_out=np.concatenate(held_out),
    )


def evaluate(
    year: Year, panel: Panel, trained: Trained, *, seed: int = 2017, tick: Tick = lambda: None
) -> Offline:
    """Measure models and baselines on the weeks after. ``tick`` is called anchor by anchor (4 + 2)."""
    frequency = fit_gamma_poisson(at_moment(panel, CUT_OFF))
    scores: dict[str, list[FloatArray]] = {name: [] for name in _SCORERS}
    bought, fresh, who = [], [], []
    for now in anchors("test"):
        moment = at_moment(panel, now)
        for name, matrix in _scores(panel, moment, trained, frequency.propensities(moment)).items():
            scores[name].append(matrix[moment.active])
        bought.append(labels(panel, now)[moment.active])
        fresh.append(~moment.recent[moment.active])
        who.append(np.flatnonzero(moment.active))
        tick()
    table = {name: np.concatenate(matrices) for name, matrices in scores.items()}
    label, new = np.concatenate(bought), np.concatenate(fresh)
    every = np.ones_like(new)
    everything = {
        name: measure(table[name], label, every)
        for name in ("popularity", "own frequency", "model")
    }
    cross_sell = {
        name: measure(table[name], label, new, probabilities=name in _PROBABILITIES)
        for name in ("new-buyer popularity", "own rate before", "EASE", "model")
    }
    session = session_recall(
        panel, trained.strengths, trained.popularity.of_all, start=CUT_OFF, seed=seed
    )
    tick()
    response = measure_response(year, seed=seed)
    resampling = Resampling(np.concatenate(who), seed=seed)
    gates = check_gates(table, label, new, resampling, session, response, seed=seed)
    tick()
    return Offline(
        everything=everything,
        cross_sell=cross_sell,
        in_session_ease=float(session.ease.mean()),
        in_session_popularity=float(session.popularity.mean()),
        response=response,
        calibration=_pictures(table["model"], label, new),
        gates=gates,
    )


_SCORERS = (
    "popularity",
    "own frequency",
    "new-buyer popularity",
    "own rate before",
    "EASE",
    "model",
)
_PROBABILITIES = ("new-buyer popularity", "model")


def _scores(
    panel: Panel, moment: Moment, trained: Trained, own: FloatArray
) -> dict[str, FloatArray]:
    """Scores (H, A) of every scorer at one test anchor."""
    shape = moment.count.shape
    now = measure_popularity(panel, moment.now)
    affinities = trained.tastes.affinities(moment)
    features = assemble(moment, trained.popularity, trained.strengths, affinities)
    return {
        "popularity": np.broadcast_to(now.of_all, shape),
        "own frequency": own,
        "new-buyer popularity": np.broadcast_to(now.new_buyers, shape),
        "own rate before": old_rate(panel, moment, now.new_buyers),
        "EASE": moment.recent @ trained.strengths,
        "model": _scored(trained.model, features),
    }


def _scored(model: Model, features: NDArray[np.float32]) -> FloatArray:
    flat = model.predict(features.reshape(-1, features.shape[-1]))
    return flat.reshape(features.shape[:2])


def _strengths(panel: Panel, offers: Sequence[Offer], until: float) -> FloatArray:
    return matrix_of(complements(panel, offers, until))


def _pictures(scores: FloatArray, bought: BoolArray, fresh: BoolArray) -> dict[str, Calibration]:
    return {
        "all": calibration(scores.reshape(-1), bought.reshape(-1)),
        "cross-sell": calibration(scores[fresh], bought[fresh]),
    }
