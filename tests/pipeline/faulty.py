"""Stages that misbehave, each in one way. Real stages behind real factories."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from nba_engine.catalog import Catalog, Vocabulary, load
from nba_engine.domain import (
    Candidates,
    Deciding,
    DecisionRequest,
    NoSettings,
    OnError,
    PlacementRequest,
    Recommendation,
    StageFactory,
)
from nba_engine.engine.decide import prepare
from nba_engine.engine.replay import RecordedReads
from nba_engine.engine.requests import RequestReader
from nba_engine.pipeline import Breaker, StagePool, Step
from tests.engine.world import CATALOG, NOON


class Doing:
    """A stage that does what it is told; ``calls`` counts."""

    def __init__(self, act: Callable[[Deciding], Any]) -> None:
        self._act = act
        self.calls = 0

    def apply(self, deciding: Deciding) -> None:
        self.calls += 1
        self._act(deciding)


class Secondary(Doing):
    """One with a fallback of its own."""

    def fallback(self, deciding: Deciding) -> None:
        deciding.candidates["propensity"] = np.full(len(deciding.candidates), 0.25)
        deciding.candidates["from_fallback"] = np.ones(len(deciding.candidates))


def factory(stage: Any, on_error: OnError = "drop") -> StageFactory[NoSettings]:
    return StageFactory(build=lambda _settings, _resources: stage, on_error=on_error)


def raises(error: BaseException) -> Callable[[Deciding], None]:
    def act(deciding: Deciding) -> None:
        raise error

    return act


def drops_half_then_raises(deciding: Deciding) -> None:
    candidates = deciding.candidates
    mask = np.zeros(len(candidates), dtype=np.bool_)
    mask[::2] = True
    candidates["noise"] = np.ones(len(candidates))
    candidates.add_reason(0, "noisy")
    candidates.drop(mask, "half")
    raise RuntimeError("half-way")


def sets_nan(deciding: Deciding) -> None:
    deciding.candidates["propensity"] = np.full(len(deciding.candidates), np.nan)


def sets_infinity(deciding: Deciding) -> None:
    deciding.candidates["weight"] = np.full(len(deciding.candidates), np.inf)


def sets_a_negative_propensity(deciding: Deciding) -> None:
    deciding.candidates["propensity"] = np.full(len(deciding.candidates), -0.1)


def sets_a_propensity_above_one(deciding: Deciding) -> None:
    deciding.candidates["propensity"] = np.full(len(deciding.candidates), 1.1)


def sets_wrong_length(deciding: Deciding) -> None:
    deciding.candidates["propensity"] = np.ones(len(deciding.candidates) + 1)


def sets_wrong_length_behind_the_back(deciding: Deciding) -> None:
    deciding.candidates.columns["propensity"] = np.ones(3)  # type: ignore[index]


def sets_text(deciding: Deciding) -> None:
    deciding.candidates["propensity"] = np.array(["much"] * len(deciding.candidates))


def sets_a_list_behind_the_back(deciding: Deciding) -> None:
    deciding.candidates.columns["propensity"] = [0.5] * len(deciding.candidates)  # type: ignore[index]


def wrong_mask(deciding: Deciding) -> None:
    deciding.candidates.drop(np.ones(len(deciding.candidates)), "floats")  # type: ignore[arg-type]


def writes_into_the_index(deciding: Deciding) -> None:
    deciding.candidates.index[0] = 3


def writes_into_the_catalog(deciding: Deciding) -> None:
    deciding.catalog.cost[0] = 0.0


def writes_into_the_catalogs_index(deciding: Deciding) -> None:
    deciding.catalog.treatment_index["milk.app"] = 0  # type: ignore[index]


def writes_into_the_customer(deciding: Deciding) -> None:
    deciding.customer["age"] = 3  # type: ignore[index]


def writes_into_the_context(deciding: Deciding) -> None:
    deciding.context["age"] = 3  # type: ignore[index]


def assigns_an_index(deciding: Deciding) -> None:
    deciding.candidates.index = np.arange(100)  # type: ignore[misc]


def replaces_the_candidates(deciding: Deciding) -> None:
    old = deciding.candidates
    deciding.candidates = Candidates(old.index.copy(), old.slot.copy(), deciding.catalog.is_nothing)


def recommends_what_was_dropped(deciding: Deciding) -> None:
    one = deciding.catalog.treatments[int(deciding.candidates.index[0])]
    gone = np.zeros(len(deciding.candidates), dtype=np.bool_)
    gone[0] = True
    deciding.candidates.drop(gone, "gone", spare_nothing=False)
    deciding.recommendations.append(
        Recommendation(
            recommendation_id="r",
            placement=deciding.placements[0].placement,
            position=0,
            action=one.action,
            treatment=one.id,
            channel=one.channel,
        )
    )


BREACHES: dict[str, Callable[[Deciding], None]] = {
    "raises": raises(ValueError("no")),
    "exits": raises(SystemExit(3)),
    "drops_half_then_raises": drops_half_then_raises,
    "sets_nan": sets_nan,
    "sets_infinity": sets_infinity,
    "sets_a_negative_propensity": sets_a_negative_propensity,
    "sets_a_propensity_above_one": sets_a_propensity_above_one,
    "sets_wrong_length": sets_wrong_length,
    "sets_wrong_length_behind_the_back": sets_wrong_length_behind_the_back,
    "sets_text": sets_text,
    "sets_a_list_behind_the_back": sets_a_list_behind_the_back,
    "wrong_mask": wrong_mask,
    "writes_into_the_index": writes_into_the_index,
    "writes_into_the_catalog": writes_into_the_catalog,
    "writes_into_the_catalogs_index": writes_into_the_catalogs_index,
    "writes_into_the_customer": writes_into_the_customer,
    "writes_into_the_context": writes_into_the_context,
    "assigns_an_index": assigns_an_index,
    "replaces_the_candidates": replaces_the_candidates,
    "recommends_what_was_dropped": recommends_what_was_dropped,
}


class Hanging:
    """A stage that waits until it is let go, then tries to change what it was given."""

    def __init__(self) -> None:
        self.release = threading.Event()
        self.done = threading.Event()
        self.error: BaseException | None = None

    def apply(self, deciding: Deciding) -> None:
        self.release.wait(30)
        try:
            count = len(deciding.candidates)
            deciding.candidates.drop(np.ones(count, dtype=np.bool_), "late", spare_nothing=False)
            deciding.prices["late"] = 1.0
            deciding.degraded.append("late")
            deciding.random.random()
            deciding.reads.usage(("account",))
        except BaseException as error:
            self.error = error
        finally:
            self.done.set()


_CATALOG: list[Catalog] = []


def catalog() -> Catalog:
    if not _CATALOG:
        _CATALOG.append(load({"shop.toml": CATALOG}, Vocabulary()))
    return _CATALOG[0]


def deciding(
    deadline: float | None = None, placements: Sequence[str] = ("banner", "newsletter")
) -> Deciding:
    """A decision about to run, over two placements."""
    request = DecisionRequest(identity="crm:1", placements=tuple(map(PlacementRequest, placements)))
    request, plan = RequestReader(catalog()).read(request, simulated=False)
    return prepare(
        catalog(),
        request,
        plan,
        decision_id="d",
        reads=NoReads(),
        now=NOON,
        seed=1,
        deadline=deadline,
    )


class NoReads(RecordedReads):
    """A store without anything in it."""

    def __init__(self) -> None:
        self.refused = {}

    def customer(self, identity: str) -> None:
        return None

    def usage(self, accounts: tuple[str, ...]) -> dict[str, int]:
        return {}


def step(
    stage: Any,
    on_error: OnError = "drop",
    *,
    name: str = "faulty",
    breaker: Breaker | None = None,
    timeout: float | None = None,
    time_budget: float | None = None,
) -> Step:
    return Step(
        name,
        stage,
        on_error=on_error,
        breaker=breaker or Breaker(1000, 10.0),
        timeout=timeout,
        time_budget=time_budget,
    )


class ImpatientPool(StagePool):
    """Gives a stage up as soon as it has come as far as ``reached``."""

    def __init__(self, reached: threading.Event) -> None:
        super().__init__()
        self._reached = reached

    def start(self, stage: str, work: Callable[[], None]) -> Any:
        super().start(stage, work)
        return self

    def abandon(self, stage: str, job: Any) -> None:
        """Nothing: it is not counted."""

    def wait(self, seconds: float) -> bool:
        assert self._reached.wait(30)
        return False
