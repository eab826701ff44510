from __future__ import annotations

from typing import Any

import msgspec
import pytest

from nba_engine.app.resources import AppResources
from nba_engine.domain import Resources, StageFactory
from nba_engine.errors import Mistake, MistakesFound
from nba_engine.pipeline import Pipeline, build_pipeline
from nba_engine.settings import Settings, StageSettings
from tests.engine.world import register_with
from tests.pipeline.faulty import Doing, catalog, factory


class TunedSettings(msgspec.Struct, frozen=True, kw_only=True):
    gain: float = 1.0
    rounds: int = 1


def build(*stages: StageSettings, **more: StageFactory[Any]) -> Pipeline:
    register = register_with(**more)
    resources = AppResources(catalog(), Settings(), register)
    return build_pipeline(stages, register, resources)


def mistakes_of(*stages: StageSettings, **more: StageFactory[Any]) -> list[Mistake]:
    with pytest.raises(MistakesFound) as caught:
        build(*stages, **more)
    return list(caught.value.mistakes)


def raising(_settings: object, _resources: object) -> Doing:
    raise TypeError("cannot")


def test_the_order_of_the_settings_is_the_order_of_the_pipeline() -> None:
    pipeline = build(StageSettings(stage="prior"), StageSettings(stage="profile"))
    assert pipeline.names == ("prior", "profile")


def test_settings_set_policy_timeout_and_budget() -> None:
    settings = StageSettings(stage="prior", on_error="fail", timeout_ms=20, time_budget_ms=5)
    (step,) = build(settings).steps
    assert (step.on_error, step.timeout, step.budget_ns) == ("fail", 0.02, 5_000_000)


def test_the_factorys_policy_is_the_default() -> None:
    (step,) = build(StageSettings(stage="prior")).steps
    assert step.on_error == "fall_back"


def test_every_mistake_of_the_pipeline_is_told_in_one_run() -> None:
    found = mistakes_of(
        StageSettings(stage="elegibility"),
        StageSettings(stage="tuned", settings={"gian": 2.0, "rounds": "two"}),
        StageSettings(stage="prior"),
        StageSettings(stage="prior"),
        StageSettings(stage="broken"),
        StageSettings(stage="lazy"),
        tuned=StageFactory(build=lambda s, r: Doing(print), settings=TunedSettings),
        broken=StageFactory(build=raising),
        lazy=StageFactory(build=lambda s, r: object()),  # type: ignore[arg-type,return-value]
    )
    told = {mistake.place: mistake for mistake in found}
    assert set(told) == {
        "pipeline[0].stage",
        "pipeline[1].settings.gian",
        "pipeline[1].settings.rounds",
        "pipeline[3].stage",
        "pipeline[4]",
        "pipeline[5]",
    }
    assert '"eligibility"' in told["pipeline[0].stage"].remedy
    assert "gain" in told["pipeline[1].settings.gian"].remedy
    assert "listed twice" in told["pipeline[3].stage"].message
    assert "'broken' of plugin 'tests'" in told["pipeline[4]"].message
    assert "TypeError: cannot" in told["pipeline[4]"].message
    assert "no apply" in told["pipeline[5]"].message


def test_mistakes_that_a_factory_finds_are_told_as_they_are() -> None:
    own = Mistake(file="catalog", place="treatments.milk.app", message="bad template")

    def build_it(_settings: object, _resources: object) -> Doing:
        raise MistakesFound([own])

    assert mistakes_of(StageSettings(stage="own"), own=StageFactory(build=build_it)) == [own]


def test_a_pipeline_without_stages_is_a_mistake() -> None:
    (mistake,) = mistakes_of()
    assert mistake.place == "pipeline"
    assert "profile" in mistake.remedy


def test_stages_get_their_settings_in_their_own_struct() -> None:
    seen: list[TunedSettings] = []

    def build_it(settings: TunedSettings, _resources: object) -> Doing:
        seen.append(settings)
        return Doing(print)

    tuned = StageFactory[TunedSettings](build=build_it, settings=TunedSettings)
    build(StageSettings(stage="tuned", settings={"gain": 2}), tuned=tuned)
    assert seen == [TunedSettings(gain=2.0, rounds=1)]


def test_a_stage_that_nobody_names_is_not_built() -> None:
    def build_it(_settings: object, _resources: object) -> Doing:
        raise AssertionError

    build(StageSettings(stage="prior"), unused=StageFactory(build=build_it))
    assert factory(Doing(print)).on_error == "drop"


def test_what_a_stage_asks_for_in_vain_is_told_at_the_setting_that_names_it() -> None:
    class Named(msgspec.Struct, frozen=True, kw_only=True):
        gain: float = 1.0
        model_: str = msgspec.field(default="usual", name="model")

    def asking(settings: Named, resources: Resources) -> Doing:
        resources.scorer(settings.model_ or "another")
        raise AssertionError("there are no models")

    asker: StageFactory[Named] = StageFactory(build=asking, settings=Named)
    for settings, place in (
        ({"model": "nope"}, "pipeline[1].settings.model"),
        ({}, "pipeline[1].settings.model"),
        ({"model": ""}, "pipeline[1].settings"),
    ):
        stages = (StageSettings(stage="prior"), StageSettings(stage="asker", settings=settings))
        (mistake,) = mistakes_of(*stages, asker=asker)
        assert (mistake.file, mistake.place) == ("nba.toml", place)
        assert "there is no model" in mistake.message


def test_a_stage_whose_mistakes_are_told_elsewhere_is_never_left_out_silently() -> None:
    def told(_settings: object, _resources: object) -> Doing:
        raise MistakesFound([])

    assert mistakes_of(StageSettings(stage="told"), told=StageFactory(build=told)) == []
