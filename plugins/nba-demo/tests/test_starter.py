"""The shipped model: it keeps the contract of models, and is worth starting with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nba_demo.plugin import STARTER, nba_models
from nba_demo.starter import fit_starter, joined, publish_starter
from nba_engine.app import open_app
from nba_engine.domain import DecisionRequest, Interaction, ModelFactory, PlacementRequest
from nba_engine.learning import auc, log_loss
from nba_engine.models import OnnxRuntime, load_manifest
from nba_engine.testing import NOW, ModelSuite

from .small import Small

SETTINGS = """
[models]
propensity = "plugin:starter"
[[pipeline]]
stage = "profile"
[[pipeline]]
stage = "propensity"
[[pipeline]]
stage = "value"
[[pipeline]]
stage = "arbitration"
[[pipeline]]
stage = "slate"
"""

CATALOG = """
[aggregates]
purchases = { kind = "count", types = ["purchase"], by = "category" }
last_purchase = { kind = "last", types = ["purchase"], by = "category" }
[channels.web]
[placements.home]
channel = "web"
slots = 2
[actions.nothing]
kind = "nothing"
[actions.coffee]
prior = 0.05
value = 1.0
attributes = { category = "coffee" }
treatments.web = { channel = "web" }
[actions.tea]
prior = 0.06
value = 1.0
attributes = { category = "tea" }
treatments.web = { channel = "web" }
"""


class TestStarter(ModelSuite):
    @pytest.fixture
    def model(self) -> ModelFactory | Path:
        return nba_models()["starter"]


def test_a_customers_own_purchases_tell_it_more_than_the_prior_does(small: Small) -> None:
    rows, bought = joined(small.panel, "test")
    run = OnnxRuntime().load(STARTER, load_manifest(STARTER))
    scores = np.asarray(run(rows)).reshape(-1)
    assert auc(bought, scores) > auc(bought, rows[:, 0]) + 0.05
    assert log_loss(bought, scores) < log_loss(bought, rows[:, 0])


def test_it_can_be_made_anew(small: Small, tmp_path: Path) -> None:
    model = fit_starter(*joined(small.panel, "train"))
    publish_starter(tmp_path / "starter", model, metrics={}, data_hash="")
    shipped, manifest = load_manifest(STARTER), load_manifest(tmp_path / "starter")
    assert manifest.features == shipped.features
    assert model.weights[0] > 0.5  # who bought often buys again
    assert model.weights[1] < 0.0  # the longer ago, the less


def test_a_catalog_with_two_counts_decides_with_it(tmp_path: Path) -> None:
    (tmp_path / "catalog").mkdir()
    (tmp_path / "catalog/shop.toml").write_text(CATALOG)
    (tmp_path / "nba.toml").write_text(SETTINGS)
    with open_app(tmp_path / "nba.toml", environ={}) as app:
        bought = [
            Interaction(
                interaction_id=f"i{n}",
                identity="web:1",
                type="purchase",
                time=NOW,
                properties={"category": "coffee"},
            )
            for n in range(5)
        ]
        app.engine.record(bought)
        placements = (PlacementRequest("home"),)
        known, unknown = (
            app.engine.decide(DecisionRequest(identity=identity, placements=placements))
            for identity in ("web:1", "web:2")
        )
    assert [one.action for one in known.recommendations] == ["coffee", "tea"]
    assert [one.action for one in unknown.recommendations] == ["tea", "coffee"]
    assert known.recommendations[0].propensity > 2 * unknown.recommendations[1].propensity
    assert known.model_versions["propensity"].startswith("starter-")
