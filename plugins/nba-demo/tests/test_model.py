from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from nba_demo.baselines import GammaPoisson
from nba_demo.complements import matrix_of
from nba_demo.data import CUT_OFF
from nba_demo.features import FEATURES, assemble
from nba_demo.importing import identity
from nba_demo.measures import recall_at
from nba_demo.model import graph
from nba_demo.offline import anchors
from nba_demo.panel import HORIZON, Moment, at_moment, labels
from nba_demo.training import parity_of
from nba_engine.app import App
from nba_engine.domain import CustomerView
from nba_engine.models import OnnxRuntime, load_table, open_scorer

from .small import Small


def features_at(small: Small, moment: Moment) -> NDArray[np.float32]:
    trained = small.trained
    affinities = trained.tastes.affinities(moment)
    return assemble(moment, trained.popularity, trained.strengths, affinities)


def test_served_features_equal_the_ones_the_model_was_trained_on(
    small: Small, folder: Path, app: App
) -> None:

    catalog = app.engine.catalog
    tables = {"complements": load_table(folder / "tables" / "complements.npz")}
    scorer = open_scorer(folder / "models" / "propensity", catalog, {"onnx": OnnxRuntime()}, tables)
    treatments = [catalog.treatment_index[f"{offer.id}.banner"] for offer in small.offers]
    index = np.array(treatments, np.intp)
    moment = at_moment(small.panel, CUT_OFF)
    trained = features_at(small, moment)

    compared = 0
    for household in np.flatnonzero(~np.isnan(moment.last_visit))[:40]:
        state = app.engine.profile(identity(int(small.year.households[household])))
        customer = CustomerView(state, catalog.aggregates, CUT_OFF)
        served = scorer.features(index, customer, {}, CUT_OFF)
        np.testing.assert_allclose(served, trained[household], rtol=1e-4, atol=1e-4)
        scores = scorer.propensities(index, customer, {}, CUT_OFF)
        expected = small.trained.model.predict(trained[household])
        np.testing.assert_allclose(scores, expected, atol=1e-4)
        compared += 1
    assert compared >= 30


def test_a_changed_declaration_changes_what_training_computes(small: Small) -> None:
    moment = at_moment(small.panel, CUT_OFF)
    matrix = features_at(small, moment)
    names = [feature.name for feature in FEATURES]
    assert matrix[..., names.index("days_since_bought")].max() == 366.0
    assert np.array_equal(matrix[..., names.index("bought")], moment.count.astype(np.float32))


def test_the_graph_equals_the_model_and_knows_when_it_has_no_answer(
    small: Small, folder: Path
) -> None:
    import onnxruntime

    assert parity_of(folder, small.trained) < 1e-5
    session = onnxruntime.InferenceSession(graph(small.trained.model))
    rows = small.trained.held_out[:3].copy()
    rows[1, [feature.name for feature in FEATURES].index("popularity")] = 0.0
    (served,) = session.run(None, {"features": rows})
    assert np.isnan(served[1, 0])
    assert np.all(np.isfinite(served[[0, 2], 0]))


def test_time_splits_never_overlap() -> None:
    train, validation, test = (anchors(part) for part in ("train", "validation", "test"))
    assert (len(train), len(validation), len(test)) == (12, 2, 4)
    assert train[-1] + HORIZON <= validation[0]
    assert validation[-1] + HORIZON <= test[0] == CUT_OFF


def test_labels_and_states_split_at_the_moment_itself(small: Small) -> None:
    moment = at_moment(small.panel, CUT_OFF)
    before = small.panel.bought(-np.inf, CUT_OFF)
    assert np.array_equal(moment.count > 0, before)
    assert np.array_equal(
        labels(small.panel, CUT_OFF), small.panel.bought(CUT_OFF, CUT_OFF + HORIZON)
    )
    assert np.nanmax(moment.last) < CUT_OFF


def test_no_complement_goes_with_itself_and_all_are_positive(small: Small) -> None:
    matrix = matrix_of(small.trained.table)
    assert np.all(np.diag(matrix) == 0)
    assert matrix.min() == 0
    assert np.array_equal(matrix, small.trained.strengths)


def test_the_gamma_poisson_baseline_matches_its_formula() -> None:
    prior = GammaPoisson(shape=np.array([0.5]), rate=np.array([20.0]))
    found = prior.after(np.array([3.0]), 100.0)[0]
    assert found == pytest.approx(1 - math.pow(120 / 134, 3.5))


def test_recall_is_the_mean_share_of_each_household() -> None:
    scores = np.array([[3.0, 2.0, 1.0], [3.0, 2.0, 1.0]])
    bought = np.array([[True, False, False], [False, True, True]])
    every = np.ones_like(bought)
    assert recall_at(scores, bought, every, top=2) == pytest.approx((1.0 + 0.5) / 2)
