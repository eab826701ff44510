"""The stage uplift: what counts where the catalog asks for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nba_engine.app import check
from nba_engine.domain import FloatArray, IntArray, NoSettings, Values
from nba_engine.errors import MistakesFound
from nba_engine.stages.propensity import Propensity, PropensitySettings
from nba_engine.stages.uplift import Uplift, UpliftSettings
from nba_engine.stages.value import Valuation
from tests.stages.making import SHOP, Materials, catalog, column, customer, deciding, run

ACTIONS = """
[actions.a]
prior = 0.3
value = 10.0
objective = "uplift"
treatments.app = { channel = "app", cost = 0.5 }
[actions.b]
prior = 0.2
value = 10.0
treatments.app = { channel = "app" }
"""


class Model:
    """A scorer that gives one number, and remembers what it was asked."""

    version = "1"
    feature_names = ()
    meaning = "uplift"

    def __init__(self, score: float) -> None:
        self._score = score
        self.asked: list[int] = []

    def propensities(
        self, index: IntArray, customer: Values, context: Values, now: float
    ) -> FloatArray:
        self.asked += index.tolist()
        return np.full(len(index), self._score)

    def features(
        self, index: IntArray, customer: Values, context: Values, now: float
    ) -> np.ndarray[Any, np.dtype[np.float32]]:
        raise NotImplementedError


def scored(score: float) -> dict[str, dict[str, float]]:
    """Columns behind uplift and value, with a model that always says the same."""
    made = deciding(catalog(ACTIONS), state=customer())
    model = Model(score)
    run(Uplift(UpliftSettings(), Materials(made.catalog, scorer=model)), made)
    run(Valuation(NoSettings(), Materials(made.catalog)), made)
    asked = {made.catalog.treatments[index].id for index in model.asked}
    assert asked == {"a.app"}  # nobody else's uplift is computed
    return {name: column(made, name) for name in ("effect", "score", "objective")}


@pytest.mark.parametrize("uplift", [0.04, 0.0, -0.2])
def test_uplift_takes_the_place_of_propensity_where_the_catalog_asks_for_it(uplift: float) -> None:
    found = scored(uplift)
    assert found["effect"]["a.app"] == uplift
    assert found["score"]["a.app"] == pytest.approx(10.0 * uplift - 0.5)
    assert found["score"]["b.app"] == pytest.approx(10.0 * 0.2)
    assert found["objective"] == {"a.app": 0.0, "b.app": -1.0, "nothing.app": -1.0}


@pytest.mark.parametrize("wrong", [float("nan"), 1.5, -3.0])
def test_what_is_no_uplift_leaves_the_propensity_and_says_so(wrong: float) -> None:
    found = scored(wrong)
    assert found["effect"]["a.app"] == 0.3
    assert found["objective"]["a.app"] == 1.0


def test_a_model_of_probabilities_is_refused() -> None:
    made = deciding(catalog(ACTIONS), state=customer())
    model = Model(0.5)
    model.meaning = "probability"
    with pytest.raises(MistakesFound, match="tells probabilities, not uplift"):
        Uplift(UpliftSettings(), Materials(made.catalog, scorer=model))


def test_a_model_of_uplift_is_refused_where_probabilities_are_asked_for() -> None:
    made = deciding(catalog(ACTIONS), state=customer())
    with pytest.raises(MistakesFound, match="tells uplift, not probabilities"):
        Propensity(PropensitySettings(), Materials(made.catalog, scorer=Model(0.5)))


@pytest.mark.parametrize(
    ("stages", "message"),
    [
        (("profile", "value", "arbitration", "slate"), "there is no stage uplift"),
        (("profile", "value", "uplift", "arbitration", "slate"), "comes after value"),
    ],
)
def test_a_catalog_that_asks_for_uplift_needs_the_stage(
    tmp_path: Path, stages: tuple[str, ...], message: str
) -> None:
    (tmp_path / "catalog").mkdir()
    (tmp_path / "catalog" / "shop.toml").write_text(SHOP + ACTIONS)
    settings = tmp_path / "nba.toml"
    settings.write_text("".join(f'[[pipeline]]\nstage = "{stage}"\n' for stage in stages))
    found = [one for one in check(settings, environ={}) if one.place == "pipeline"]
    assert [message in one.message for one in found] == [True]
