"""The built-in channel, rule functions, runtime and store keep the contracts of all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from nba_engine.app.builtin import nba_model_runtimes, nba_stores
from nba_engine.domain import ChannelFactory, Feature, Manifest, ModelFactory, RuleFunction
from nba_engine.learning import LogisticModel, export_logistic
from nba_engine.models import load_manifest
from nba_engine.plugin import RuntimeFactory, StoreFactory
from nba_engine.stages.functions import RULE_FUNCTIONS
from nba_engine.stages.templates.channel import TEMPLATE_CHANNEL
from nba_engine.testing import (
    NOW,
    ChannelSuite,
    ModelRuntimeSuite,
    ModelSuite,
    RuleFunctionSuite,
    StoreSuite,
)

DAY = 86_400.0
FEATURES = (
    Feature(name="prior", source="action.prior"),
    Feature(name="bought", source="customer.purchases", key="action.category", transform="log1p"),
    Feature(name="age", source="customer.age", default=40.0, maximum=100.0),
)


class TestTemplateChannel(ChannelSuite):
    @pytest.fixture
    def factory(self) -> ChannelFactory:
        return TEMPLATE_CHANNEL

    @pytest.fixture
    def content(self) -> dict[str, str]:
        return {
            "title": "{{ action.name }} for {{ customer.first_name }}",
            "body": "{% if context.cart is defined %}{{ context.cart | join(', ') }}{% endif %}",
        }

    @pytest.fixture
    def bad_content(self) -> list[dict[str, str]]:
        return [
            {"title": "{{"},
            {"title": "{% if x %}"},
            {"title": "{{ customers.first_name }}"},
            {"title": "{{ action.no_such_thing }}"},
        ]


class TestDaysSince(RuleFunctionSuite):
    @pytest.fixture
    def function(self) -> RuleFunction:
        return RULE_FUNCTIONS["days_since"]

    @pytest.fixture
    def examples(self) -> list[tuple[tuple[object, ...], object]]:
        return [((NOW, NOW - 2 * DAY), 2.0), ((NOW, NOW + DAY / 2), -0.5)]


class TestHoursSince(RuleFunctionSuite):
    @pytest.fixture
    def function(self) -> RuleFunction:
        return RULE_FUNCTIONS["hours_since"]

    @pytest.fixture
    def examples(self) -> list[tuple[tuple[object, ...], object]]:
        return [((NOW, NOW - DAY), 24.0)]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small logistic model, exported."""
    folder = tmp_path_factory.mktemp("trained") / "small"
    model = LogisticModel(
        weights=np.array([4.0, 0.5, -0.01]),
        bias=-2.0,
        calibration=(1.0, 0.0),
        strength=1.0,
        validation_log_loss=0.0,
    )
    rows = np.random.default_rng(1).random((64, 3)).astype(np.float32) * [0.2, 2.0, 90.0]
    export_logistic(
        folder,
        model,
        name="small",
        version="1",
        features=FEATURES,
        held_out=rows.astype(np.float32),
    )
    return folder


def probes(folder: Path) -> dict[str, NDArray[np.float32]]:
    with np.load(folder / "probes.npz") as arrays:
        return {name: arrays[name] for name in arrays.files}


class TestOnnxRuntime(ModelRuntimeSuite):
    @pytest.fixture
    def runtime(self) -> RuntimeFactory:
        return nba_model_runtimes()["onnx"]

    @pytest.fixture
    def model_file(self, trained: Path) -> Path:
        return trained / "model.onnx"

    @pytest.fixture
    def manifest(self, trained: Path) -> Manifest:
        return load_manifest(trained)

    @pytest.fixture
    def inputs(self, trained: Path) -> NDArray[np.float32]:
        return probes(trained)["inputs"]

    @pytest.fixture
    def expected(self, trained: Path) -> NDArray[np.float32]:
        return probes(trained)["outputs"]


class TestModelFolder(ModelSuite):
    @pytest.fixture
    def model(self, trained: Path) -> ModelFactory | Path:
        return trained


class TestSqliteStore(StoreSuite):
    @pytest.fixture
    def factory(self) -> StoreFactory:
        return nba_stores()["sqlite"]

    @pytest.fixture
    def url(self, tmp_path: Path) -> Callable[[str], str]:
        return lambda name: f"sqlite:{tmp_path / name}.db"
