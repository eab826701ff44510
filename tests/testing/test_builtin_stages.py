"""The built-in stages keep the contract of every stage."""

from __future__ import annotations

from typing import Any

import pytest

from nba_engine.domain import CatalogView, Resources, StageFactory
from nba_engine.stages.plugin import nba_stages
from nba_engine.stages.templates.channel import TemplateChannel
from nba_engine.testing import FakeResources, StageSuite

STAGES = nba_stages()


class TestProfile(StageSuite):
    @pytest.fixture
    def factory(self) -> StageFactory[Any]:
        return STAGES["profile"]


class TestEligibility(StageSuite):
    @pytest.fixture
    def factory(self) -> StageFactory[Any]:
        return STAGES["eligibility"]


class TestContactPolicy(StageSuite):
    @pytest.fixture
    def factory(self) -> StageFactory[Any]:
        return STAGES["contact_policy"]


class TestPropensity(StageSuite):
    @pytest.fixture
    def factory(self) -> StageFactory[Any]:
        return STAGES["propensity"]


class TestTreatmentScore(StageSuite):
    @pytest.fixture
    def factory(self) -> StageFactory[Any]:
        return STAGES["treatment_score"]


class TestUplift(StageSuite):
    @pytest.fixture
    def factory(self) -> StageFactory[Any]:
        return STAGES["uplift"]


class TestCrossSell(StageSuite):
    @pytest.fixture
    def factory(self) -> StageFactory[Any]:
        return STAGES["cross_sell"]


class TestValue(StageSuite):
    @pytest.fixture
    def factory(self) -> StageFactory[Any]:
        return STAGES["value"]


class TestContactPlan(StageSuite):
    @pytest.fixture
    def factory(self) -> StageFactory[Any]:
        return STAGES["contact_plan"]


class TestArbitration(StageSuite):
    @pytest.fixture
    def factory(self) -> StageFactory[Any]:
        return STAGES["arbitration"]


class TestSlate(StageSuite):
    @pytest.fixture
    def factory(self) -> StageFactory[Any]:
        return STAGES["slate"]

    @pytest.fixture
    def resources(self, catalog: CatalogView) -> Resources:
        channel = TemplateChannel(None, catalog)
        return FakeResources(catalog, channels=dict.fromkeys(catalog.channels, channel))


def test_every_built_in_stage_is_held_to_the_contract() -> None:
    named = {name.removeprefix("Test").lower() for name in globals() if name.startswith("Test")}
    assert named == {name.replace("_", "") for name in STAGES}
