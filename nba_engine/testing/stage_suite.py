"""What every stage must do, whatever it is for."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any, get_args

import msgspec
import numpy as np
import pytest

from nba_engine.domain import (
    CatalogView,
    CustomerState,
    Deciding,
    Explains,
    OnError,
    PlacementRequest,
    Resources,
    Stage,
    StageFactory,
    Treatment,
)
from nba_engine.domain.candidates import FINITE
from nba_engine.settings import convert
from nba_engine.testing.deciding import FakeResources, Outcome, make_deciding, outcome
from nba_engine.testing.samples import sample_context, sample_customers
from nba_engine.testing.threads import in_threads
from nba_engine.testing.world import make_catalog

__all__ = ["StageSuite", "check_candidates"]

# what stages before would have computed: enough for any stage to stand at any place
_COLUMNS: Mapping[str, float | Callable[[Treatment], float]] = {
    "propensity": lambda treatment: 0.02 + len(treatment.action) % 5 / 50,
    "value": 2.0,
    "cost": lambda treatment: treatment.cost,
    "lever": 1.0,
    "weight": 1.0,
    "score": lambda treatment: 0.0 if treatment.action == "nothing" else 0.05,
}


class StageSuite:
    """Inherit, and give the fixture ``factory``; override the others where yours needs it."""

    @pytest.fixture
    def factory(self) -> StageFactory[Any]:
        """The factory that your plugin offers."""
        raise NotImplementedError("give a fixture `factory`: the StageFactory you offer")

    @pytest.fixture
    def settings(self) -> dict[str, Any]:
        """The table ``settings`` of the stage, as nba.toml would hold it."""
        return {}

    @pytest.fixture
    def catalog(self) -> CatalogView:
        """The catalog: `make_catalog` with what your stage needs."""
        return make_catalog()

    @pytest.fixture
    def resources(self, catalog: CatalogView) -> Resources:
        """What the factory gets."""
        return FakeResources(catalog)

    @pytest.fixture
    def columns(self) -> Mapping[str, float | Callable[[Treatment], float]]:
        """The columns that stages before have set."""
        return _COLUMNS

    @pytest.fixture
    def context(self, catalog: CatalogView) -> dict[str, Any]:
        """The context of the requests."""
        return sample_context(catalog, share=1.0)

    @pytest.fixture
    def customers(self, catalog: CatalogView) -> list[CustomerState | None]:
        """Who is decided for; None is a customer nobody knows."""
        return [*sample_customers(catalog), None]

    @pytest.fixture
    def stage(
        self, factory: StageFactory[Any], settings: dict[str, Any], resources: Resources
    ) -> Stage:
        """The stage, built as the engine builds it."""
        return build_stage(factory, settings, resources)

    @pytest.fixture
    def make(
        self,
        catalog: CatalogView,
        columns: Mapping[str, float | Callable[[Treatment], float]],
        context: dict[str, Any],
    ) -> Callable[..., Deciding]:
        """Makes decisions that are about to enter this stage."""

        def make(
            *placements: str | PlacementRequest,
            state: CustomerState | None = None,
            seed: int = 1,
            **more: Any,
        ) -> Deciding:
            arguments = {"columns": columns, "context": context, **more}
            return make_deciding(catalog, *placements, state=state, seed=seed, **arguments)

        return make

    def test_it_is_built_from_its_settings(self, stage: Stage) -> None:
        assert callable(stage.apply)

    def test_its_settings_refuse_a_key_they_do_not_know(
        self, factory: StageFactory[Any], settings: dict[str, Any]
    ) -> None:
        wrong = {**settings, "no_such_setting": 1}
        _, mistakes = convert(wrong, factory.settings, "nba.toml", "pipeline[0].settings")
        assert [one.place for one in mistakes] == ["pipeline[0].settings.no_such_setting"]

    def test_its_settings_can_be_described_by_a_json_schema(
        self, factory: StageFactory[Any]
    ) -> None:
        assert describe(factory.settings)

    def test_its_failure_policy_is_one_of_the_four(self, factory: StageFactory[Any]) -> None:
        assert factory.on_error in get_args(OnError)

    def test_candidates_stay_aligned_finite_and_accounted_for(
        self, stage: Stage, make: Callable[..., Deciding], customers: list[CustomerState | None]
    ) -> None:
        for number, state in enumerate(customers):
            deciding = make(state=state, seed=number)
            stage.apply(deciding)
            check_candidates(deciding)

    def test_it_leaves_what_it_was_given_as_it_was(
        self,
        stage: Stage,
        make: Callable[..., Deciding],
        catalog: CatalogView,
        customers: list[CustomerState | None],
    ) -> None:
        columns = {name: getattr(catalog, name) for name in ("cost", "prior", "lever", "action_of")}
        before = {name: column.copy() for name, column in columns.items()}
        for state in customers:
            deciding = make(state=state)
            context = deepcopy(dict(deciding.request.context))
            request = msgspec.structs.replace(deciding.request, context=context)
            stored = deepcopy(state)
            stage.apply(deciding)
            assert deciding.request == request, "the stage changed the request"
            assert deciding.context == request.context, "the stage changed the context"
            assert deciding.now == make().now, "the stage changed the time"
            assert deciding.seed == make().seed, "the stage changed the seed"
            if stored is not None:
                assert state == stored, "the stage changed the customer's state"
                assert deciding.state == stored, "the stage replaced the customer's state"
        for name, column in columns.items():
            same = np.array_equal(column, before[name])
            assert same, f"the stage changed the catalog's {name}"

    def test_the_same_input_gives_the_same_outcome_on_a_stage_built_anew_too(
        self,
        factory: StageFactory[Any],
        settings: dict[str, Any],
        resources: Resources,
        stage: Stage,
        make: Callable[..., Deciding],
        customers: list[CustomerState | None],
    ) -> None:
        again = build_stage(factory, settings, resources)
        for seed, state in enumerate(customers):
            first, second, third = (
                _run(one, make(state=state, seed=seed)) for one in (stage, stage, again)
            )
            assert first == second, "a second run came to another outcome"
            assert first == third, "the same stage, built anew, came to another outcome"

    def test_it_takes_the_time_from_the_decision_alone(
        self, stage: Stage, make: Callable[..., Deciding], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first = _run(stage, make())
        year_ahead = time.time() + 365 * 86_400.0
        monkeypatch.setattr(time, "time", lambda: year_ahead)
        assert _run(stage, make()) == first, "the outcome depends on the machine's clock"

    def test_four_threads_come_to_the_outcome_of_one(
        self, stage: Stage, make: Callable[..., Deciding], customers: list[CustomerState | None]
    ) -> None:
        def decide(number: int) -> Outcome:
            return _run(stage, make(state=customers[number % len(customers)], seed=number))

        numbers = range(3 * len(customers))
        alone = [decide(number) for number in numbers]
        assert in_threads(decide, numbers) == alone, "threads came to another outcome than one"

    def test_it_takes_a_decision_without_candidates(
        self, stage: Stage, make: Callable[..., Deciding]
    ) -> None:
        deciding = make(columns={})
        deciding.candidates.stage = "an_earlier_stage"
        everything = np.ones(len(deciding.candidates), dtype=np.bool_)
        deciding.candidates.drop(everything, "not_eligible", spare_nothing=False)
        deciding.candidates.stage = "this_stage"
        for name in _COLUMNS:
            deciding.candidates[name] = np.empty(0)
        stage.apply(deciding)
        check_candidates(deciding)
        assert len(deciding.candidates) == 0

    def test_it_takes_a_decision_where_only_nothing_is_left(
        self, stage: Stage, make: Callable[..., Deciding]
    ) -> None:
        deciding = make()
        deciding.candidates.stage = "an_earlier_stage"
        deciding.candidates.drop(np.ones(len(deciding.candidates), dtype=np.bool_), "not_eligible")
        deciding.candidates.stage = "this_stage"
        stage.apply(deciding)
        check_candidates(deciding)

    def test_it_takes_an_unknown_customer_without_context(
        self, stage: Stage, make: Callable[..., Deciding]
    ) -> None:
        deciding = make(state=None, context={})
        stage.apply(deciding)
        check_candidates(deciding)

    def test_it_takes_one_placement_and_several(
        self, stage: Stage, make: Callable[..., Deciding], catalog: CatalogView
    ) -> None:
        for placements in (list(catalog.placements)[:1], list(catalog.placements)):
            deciding = make(*(PlacementRequest(each, 3) for each in placements))
            stage.apply(deciding)
            check_candidates(deciding)

    def test_its_fallback_leaves_candidates_in_order(
        self, stage: Stage, make: Callable[..., Deciding]
    ) -> None:
        fallback = getattr(stage, "fallback", None)
        deciding = make()
        if fallback is not None:
            fallback(deciding)
        check_candidates(deciding)
        assert not deciding.candidates.drops, "a fallback sets columns, it drops nothing"

    def test_it_can_explain_what_it_dropped(
        self, stage: Stage, make: Callable[..., Deciding], customers: list[CustomerState | None]
    ) -> None:
        for seed, state in enumerate(customers):
            deciding = make(state=state, seed=seed)
            stage.apply(deciding)
            if not isinstance(stage, Explains):  # it need not: stage and reason are told anyway
                continue
            left = outcome(deciding)
            for drop in deciding.candidates.drops:
                for position in range(drop.count):
                    text, changes = stage.explain(deciding, drop, position)
                    assert text.strip(), f"no sentence for {drop.reason}"
                    assert all(change.kind for change in changes)
            assert outcome(deciding) == left, "explaining changed the decision"


def build_stage(
    factory: StageFactory[Any], settings: Mapping[str, Any], resources: Resources
) -> Stage:
    """A stage from its table of settings, as the engine builds it."""
    own, mistakes = convert(settings, factory.settings, "nba.toml", "pipeline[0].settings")
    assert own is not None, f"the settings are wrong: {[str(mistake) for mistake in mistakes]}"
    stage: Stage = factory.build(own, resources)
    return stage


def describe(settings: type[msgspec.Struct]) -> dict[str, Any]:
    """The JSON Schema of a settings struct; types of Python's own, such as paths, are texts."""
    schemas, components = msgspec.json.schema_components(
        [settings], schema_hook=lambda _kind: {"type": "string"}
    )
    return {**schemas[0], **components}


def check_candidates(deciding: Deciding) -> None:
    """What holds of candidates after every stage. Raises `AssertionError` saying what does not."""
    candidates = deciding.candidates
    count = len(candidates.index)
    for name, column in candidates.columns.items():
        assert column.shape == (count,), f"column {name!r} is {column.shape} for {count} candidates"
        assert column.dtype == np.float64, f"column {name!r} holds {column.dtype}"
        if name in FINITE:
            assert np.isfinite(column).all(), f"column {name!r} has values that are not finite"
    left = count + sum(drop.count for drop in candidates.drops)
    assert left == candidates.total, f"of {candidates.total} candidates, {left} are accounted for"
    pairs = list(zip(candidates.index.tolist(), candidates.slot.tolist(), strict=False))
    for drop in candidates.drops:
        assert drop.reason, "candidates were dropped without a reason"
        assert drop.reason.isidentifier(), f"{drop.reason!r} is no word in snake_case"
        assert drop.stage, "candidates were dropped in the name of no stage"
        pairs += zip(drop.index.tolist(), drop.slot.tolist(), strict=False)
    slots = {wanted.placement: slot for slot, wanted in enumerate(deciding.placements)}
    treatments = deciding.catalog.treatment_index
    for one in deciding.recommendations:
        at = treatments.get(one.treatment, -1)
        assert at >= 0, f"{one.treatment!r} is recommended, but there is no such treatment"
        place = 0 if len(slots) == 1 else slots.get(one.placement, -1)
        assert (at, place) in pairs, f"{one.treatment!r} is recommended, but was no candidate"


def _run(stage: Stage, deciding: Deciding) -> Outcome:
    stage.apply(deciding)
    return outcome(deciding)
