"""The plugin of the scenarios: propensities that are easy to follow, and things that fail."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from nba_engine.domain import (
    ChannelFactory,
    Deciding,
    ModelFactory,
    OnError,
    Renderer,
    Resources,
    RuleFunction,
    SinkFactory,
    StageFactory,
    Treatment,
)
from nba_engine.plugin import hookimpl
from tests.scenarios import faults
from tests.scenarios.faulty_stores import STORES


class GivenSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``propensities``: action → propensity; the others have their prior."""

    propensities: dict[str, float] = {}


class Given:
    """Propensities as a scenario gives them."""

    def __init__(self, settings: GivenSettings, resources: Resources) -> None:
        catalog = resources.catalog
        given = [settings.propensities.get(a.id, a.prior) for a in catalog.actions]
        self._propensity = np.array(given)[catalog.action_of]

    def apply(self, deciding: Deciding) -> None:
        candidates = deciding.candidates
        candidates["propensity"] = self._propensity[candidates.index]


class FaultySettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What goes wrong, and for whom: an identity, an action or everybody."""

    fault: str = "raises"
    only: str = ""


class Faulty:
    """A stage that does half of its work, then fails."""

    def __init__(self, settings: FaultySettings, resources: Resources) -> None:
        self._fail = faults.STAGES[settings.fault]
        self._only = settings.only

    def apply(self, deciding: Deciding) -> None:
        if self._only in ("", deciding.request.identity):
            candidates = deciding.candidates
            candidates.drop(candidates.index == candidates.index[0], "half_done")
            self._fail(deciding)


class FaultyChannel:
    """A channel whose renderers fail."""

    def __init__(self, settings: FaultySettings, _catalog: object) -> None:
        self._fail = faults.RENDERERS[settings.fault]
        self._only = settings.only

    def prepare(self, treatment: Treatment) -> Renderer:
        texts = dict(treatment.content)
        if self._only in ("", treatment.action):
            return lambda seen: self._fail(seen) or texts
        return lambda seen: texts


class FaultySink:
    """A sink that never takes anything."""

    def __init__(self, settings: FaultySettings, _folder: Path) -> None:
        self._fail = faults.CALLS[settings.fault]

    def write(self, records: object) -> None:
        self._fail()

    def flush(self) -> None: ...

    def close(self) -> None: ...


class FaultyModel:
    """A model whose answers are no use."""

    version = "1"
    feature_names = ()

    def __init__(self, fault: str) -> None:
        self._answer = faults.MODELS[fault]

    def propensities(self, index: Any, customer: Any, context: Any, now: float) -> Any:
        return self._answer(index, customer)

    def features(self, index: Any, customer: Any, context: Any, now: float) -> Any:
        return np.zeros((len(index), 0), dtype=np.float32)


nba_plugin_api = "1.0"


def _stage(on_error: OnError) -> StageFactory[Any]:
    return StageFactory(build=Faulty, settings=FaultySettings, on_error=on_error)


@hookimpl
def nba_stages() -> Mapping[str, StageFactory[Any]]:
    return {
        "given_propensity": StageFactory(build=Given, settings=GivenSettings),
        "faulty_filter": _stage("drop"),
        "faulty_scorer": _stage("fall_back"),
        "faulty_observer": _stage("ignore"),
        "faulty_needed": _stage("fail"),
    }


@hookimpl
def nba_channels() -> Mapping[str, ChannelFactory]:
    return {"faulty": ChannelFactory(build=FaultyChannel, settings=FaultySettings)}


@hookimpl
def nba_models() -> Mapping[str, ModelFactory]:
    def factory(fault: str) -> ModelFactory:
        return ModelFactory(build=lambda _catalog: FaultyModel(fault))

    return {fault: factory(fault) for fault in faults.MODELS}


@hookimpl
def nba_rule_functions() -> Mapping[str, RuleFunction]:
    """``f_<fault>(int) -> bool``."""
    return {
        f"f_{fault}": RuleFunction(parameters=("int",), result="bool", call=call)
        for fault, call in faults.FUNCTIONS.items()
    }


@hookimpl
def nba_sinks() -> Mapping[str, SinkFactory]:
    return {"faulty": SinkFactory(build=FaultySink, settings=FaultySettings)}


@hookimpl
def nba_stores() -> Mapping[str, Any]:
    return STORES
