"""The linear split, where numbers get large."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy.special import expit

from nba_engine.domain import Feature
from nba_engine.models.assembly import Assembly
from nba_engine.models.linear import Linear, LinearSplit
from tests.models import world

CATALOG = world.catalog()
EVERY = np.arange(len(CATALOG.treatments))
FEATURES = (
    Feature(name="minutes", source="context.minutes"),
    Feature(name="price", source="action.price"),  # 1 to 7
)


@pytest.mark.parametrize("weight", [0.5, 60.0, 97.0, 101.0, 500.0])
@pytest.mark.parametrize("bias", [0.0, -400.0, -725.0, 300.0, 2000.0])
def test_log_odds_of_any_size_are_the_probabilities_that_scipy_tells(
    weight: float, bias: float
) -> None:
    assembly = Assembly(FEATURES, CATALOG, {})
    for minutes in (
        0.0,
        3.5,
        -3.5,
        60.0,
        -60.0,
        650.0,
        -650.0,
        699.9,
        715.0,
        -701.0,
        2000.0,
        -2000.0,
    ):
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # an overflow would be told on every decision
            split = LinearSplit(Linear(np.array([1.0, weight]), bias), assembly)
            served = split.propensities(EVERY, {}, {"minutes": minutes}, 0.0)
        wanted = expit(minutes + assembly.static[:, 1] * weight + bias)
        np.testing.assert_allclose(served, wanted, rtol=1e-11, atol=1e-300)
