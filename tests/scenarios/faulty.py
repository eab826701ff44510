"""The plugin of the scenarios: propensities that are easy to follow, and stages that fail."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec
import numpy as np

from nba_engine.domain import Deciding, Resources, StageFactory
from nba_engine.plugin import hookimpl

Fault = Literal["raise", "nan", "length"]


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
    """What goes wrong: it raises, gives NaN, or a column that is too short."""

    fault: Fault = "raise"


class Faulty:
    """A stage that does half of its work, then fails."""

    def __init__(self, settings: FaultySettings, resources: Resources) -> None:
        self._fault = settings.fault

    def apply(self, deciding: Deciding) -> None:
        candidates = deciding.candidates
        candidates.drop(candidates.index == candidates.index[0], "half_done")
        if self._fault == "nan":
            candidates["propensity"] = np.full(len(candidates), np.nan)
        elif self._fault == "length":
            candidates["propensity"] = np.ones(len(candidates) + 1)
        else:
            raise RuntimeError("this stage always fails")


nba_plugin_api = "1.0"


@hookimpl
def nba_stages() -> Mapping[str, StageFactory[Any]]:
    return {
        "given_propensity": StageFactory(build=Given, settings=GivenSettings),
        "faulty_filter": StageFactory(build=Faulty, settings=FaultySettings, on_error="drop"),
        "faulty_scorer": StageFactory(build=Faulty, settings=FaultySettings, on_error="fall_back"),
        "faulty_observer": StageFactory(build=Faulty, settings=FaultySettings, on_error="ignore"),
        "faulty_needed": StageFactory(build=Faulty, settings=FaultySettings, on_error="fail"),
    }
