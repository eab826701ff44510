"""The suites that every stage, channel and model must pass, and what these three are for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import nba_example
from nba_engine.domain import (
    CatalogView,
    ChannelFactory,
    ModelFactory,
    Renderer,
    StageFactory,
    Treatment,
)
from nba_engine.errors import MistakesFound, RenderFailed
from nba_engine.testing import (
    NOW,
    ChannelSuite,
    FakeResources,
    ModelSuite,
    StageSuite,
    make_catalog,
    make_deciding,
)

SATURDAY = NOW + 5 * 86_400.0  # NOW is a Monday


class TestStageContract(StageSuite):
    @pytest.fixture
    def factory(self) -> StageFactory[nba_example.WeekendSettings]:
        return nba_example.nba_stages()["weekend"]

    @pytest.fixture
    def catalog(self) -> CatalogView:
        return make_catalog(actions={"offer1": {"tags": ["weekend"]}})


class TestChannelContract(ChannelSuite):
    @pytest.fixture
    def factory(self) -> ChannelFactory:
        return nba_example.nba_channels()["sms"]

    @pytest.fixture
    def content(self) -> dict[str, str]:
        return {"text": "Hello $first_name"}

    @pytest.fixture
    def bad_content(self) -> list[dict[str, str]]:
        return [{"text": "5 $ off"}]


class TestModelContract(ModelSuite):
    @pytest.fixture
    def model(self) -> ModelFactory:
        return nba_example.nba_models()["habit"]


@pytest.mark.parametrize(("now", "weight"), [(NOW, None), (SATURDAY, 3.0)])
def test_what_is_tagged_counts_more_at_weekends(now: float, weight: float | None) -> None:
    catalog = make_catalog(actions={"offer1": {"tags": ["sunny"]}})
    settings = nba_example.WeekendSettings(tag="sunny", boost=3.0)
    deciding = make_deciding(catalog, "banner", now=now)
    nba_example.Weekend(settings, FakeResources(catalog)).apply(deciding)
    weights = deciding.candidates.columns.get("weight")
    tagged = deciding.candidates.index == catalog.treatment_index["offer1.app"]
    assert (None if weights is None else weights[tagged].item()) == weight
    assert weights is None or np.all(weights[~tagged] == 1.0)


def sms(text: str) -> Renderer:
    treatment = Treatment(
        id="offer1.sms", action="offer1", channel="sms", placements=(), content={"text": text}
    )
    return nba_example.Sms(None, make_catalog()).prepare(treatment)


def test_a_text_speaks_to_the_customer() -> None:
    assert sms("Hello $first_name")({"customer": {"first_name": "Ann"}}) == {"text": "Hello Ann"}


@pytest.mark.parametrize("text", ["Hello $first_name", "x" * 161])
def test_a_text_that_cannot_be_sent_fails_for_this_customer(text: str) -> None:
    with pytest.raises(RenderFailed):
        sms(text)({"customer": {}})


def test_a_dollar_without_a_name_is_a_mistake_of_the_catalog() -> None:
    with pytest.raises(MistakesFound, match="without name"):
        sms("5 $ off")


def test_what_was_bought_often_is_likelier_than_its_prior() -> None:
    catalog = make_catalog()
    model = nba_example.Habit(catalog)
    index = catalog.fitting("banner")
    actions = [catalog.treatments[treatment].action for treatment in index]
    purchases = {"purchases": {"dairy": 9, "pets": 1}}
    chances = dict(zip(actions, model.propensities(index, purchases, {}, NOW), strict=True))
    prior = catalog.actions[catalog.action_index["offer0"]].prior
    assert chances["offer0"] == pytest.approx((10 * prior + 9) / 20)  # dairy
    assert model.propensities(index, {}, {}, NOW) == pytest.approx(catalog.prior[index])


def test_the_package_stays_small() -> None:
    (file,) = Path(nba_example.__file__).parent.glob("*.py")
    assert len(file.read_text("utf-8").splitlines()) < 120
