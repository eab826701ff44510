"""Settings → pipeline. Every mistake in the settings of the pipeline is found here, at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from nba_engine.domain import Resources, Stage, StageFactory
from nba_engine.errors import Mistake, MistakesFound, UnknownResource
from nba_engine.pipeline.breaker import Breaker
from nba_engine.pipeline.pipeline import Pipeline
from nba_engine.pipeline.step import Step
from nba_engine.pipeline.timeout import StagePool
from nba_engine.plugin import Register, told_when_slow
from nba_engine.settings import BreakerSettings, StageSettings, convert, suggest

__all__ = ["build_pipeline", "check_stages"]


def build_pipeline(
    stages: Sequence[StageSettings],
    register: Register,
    resources: Resources,
    breaker: BreakerSettings | None = None,
    *,
    file: str = "nba.toml",
    pool: StagePool | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Pipeline:
    """Make the stages that ``[[pipeline]]`` lists, in its order.

    Raises `MistakesFound` with every unknown stage, wrong setting and factory that failed.
    """
    breaker = breaker or BreakerSettings()
    mistakes = check_stages(stages, register, file)
    wrong = {mistake.place.partition(".")[0] for mistake in mistakes}
    steps: list[Step] = []
    for position, settings in enumerate(stages):
        place = f"pipeline[{position}]"
        if place in wrong:
            continue
        factory = register.stages[settings.stage]
        own, _ = convert(settings.settings, factory.settings, file, f"{place}.settings")
        assert own is not None  # checked above
        plugin = register.stages.plugin(settings.stage)
        try:
            stage = _stage(f"{settings.stage!r} of plugin {plugin!r}", factory, own, resources)
        except UnknownResource as unknown:
            at = _where(f"{place}.settings", own, unknown.name)
            mistakes += [msgspec.structs.replace(m, file=file, place=at) for m in unknown.mistakes]
            continue
        except MistakesFound as found:
            mistakes.extend(found.mistakes)
            continue
        except _NotBuilt as error:
            mistakes.append(Mistake(file=file, place=place, message=str(error)))
            continue
        steps.append(
            Step(
                settings.stage,
                stage,
                on_error=settings.on_error or factory.on_error,
                breaker=Breaker(breaker.failures, breaker.open_seconds, clock),
                timeout=_seconds(settings.timeout_ms),
                time_budget=_seconds(settings.time_budget_ms),
            )
        )
    if mistakes or len(steps) < len(stages):  # without a mistake: told elsewhere
        raise MistakesFound(mistakes)
    return Pipeline(steps, pool)


def check_stages(
    stages: Sequence[StageSettings], register: Register, file: str = "nba.toml"
) -> list[Mistake]:
    """Every mistake that can be found without building the stages: names and settings."""
    mistakes: list[Mistake] = []
    if not stages:
        remedy = f"list stages as [[pipeline]] tables; there are {', '.join(register.stages)}"
        message = "there are no stages"
        mistakes.append(Mistake(file=file, place="pipeline", message=message, remedy=remedy))
    seen: set[str] = set()
    for position, settings in enumerate(stages):
        place = f"pipeline[{position}]"
        factory = register.stages.get(settings.stage)
        if factory is None:
            message = f"no plugin offers a stage {settings.stage!r}"
            remedy = suggest(settings.stage, register.stages, "stages")
        elif settings.stage in seen:
            message, remedy = f"stage {settings.stage!r} is listed twice", "remove one of them"
        else:
            seen.add(settings.stage)
            mistakes += convert(settings.settings, factory.settings, file, f"{place}.settings")[1]
            continue
        mistakes.append(Mistake(file=file, place=f"{place}.stage", message=message, remedy=remedy))
    return mistakes


def _where(place: str, settings: msgspec.Struct, name: str) -> str:
    """The place of the setting that holds ``name``; of all settings, if none does."""
    for field in msgspec.structs.fields(settings):
        if getattr(settings, field.name) == name:
            return f"{place}.{field.encode_name}"
    return place


class _NotBuilt(Exception):
    """Why a factory gave no stage."""


def _stage(
    subject: str, factory: StageFactory[Any], settings: msgspec.Struct, resources: Resources
) -> Stage:
    """Call one factory, which is a plugin's code."""
    try:
        with told_when_slow(f"building stage {subject}"):
            stage = factory.build(settings, resources)
    except MistakesFound:
        raise
    except (Exception, SystemExit) as error:
        raise _NotBuilt(
            f"stage {subject} could not be built: {type(error).__name__}: {error}"
        ) from error
    if not callable(getattr(stage, "apply", None)):
        raise _NotBuilt(
            f"stage {subject} was built as {type(stage).__name__}, which has no apply method"
        )
    return stage


def _seconds(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000
