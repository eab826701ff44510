"""The fakes keep the contracts of what they stand for."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pytest

from nba_engine.catalog import Catalog
from nba_engine.domain import (
    Deciding,
    DecisionRequest,
    Explanation,
    ModelFactory,
    PlacementRequest,
    ProfileUpdate,
    Resources,
    StageFactory,
)
from nba_engine.engine import Engine
from nba_engine.errors import MistakesFound, Unavailable
from nba_engine.plugin import StoreFactory
from nba_engine.settings import StageSettings
from nba_engine.testing import (
    NOW,
    STAGES,
    FakeStore,
    FakeStores,
    FixedClock,
    FixedScorer,
    MemoryLog,
    StoreSuite,
    dropped,
    make_catalog,
    make_customer,
    make_deciding,
    make_engine,
    sample_context,
    sample_customers,
    surviving,
)

pytest_plugins = ["nba_engine.testing.fixtures"]

ALL = FakeStores()


class TestFakeStore(StoreSuite):
    @pytest.fixture
    def factory(self) -> StoreFactory:
        return ALL

    @pytest.fixture
    def url(self, request: pytest.FixtureRequest) -> Callable[[str], str]:
        return lambda name: f"fake:{request.node.nodeid}/{name}"


def ask(identity: str = "crm:0", *placements: str) -> DecisionRequest:
    wanted = tuple(PlacementRequest(name) for name in placements or ("banner",))
    return DecisionRequest(identity=identity, placements=wanted, seed=1)


def test_a_store_that_is_down_is_unavailable(store: FakeStore, engine: Engine) -> None:
    engine.decide(ask())
    store.down = True
    with pytest.raises(Unavailable):
        engine.decide(ask())
    store.down = False
    engine.decide(ask())


def test_an_engine_in_memory_decides_explains_and_keeps_to_its_limits(
    engine: Engine, store: FakeStore, decision_log: MemoryLog, clock: FixedClock
) -> None:
    update = ProfileUpdate(identity="crm:0", attributes={"age": 40, "first_name": "Ada"})
    engine.update_profile(update)
    decision = engine.decide(ask("crm:0", "banner"))
    assert [one.position for one in decision.recommendations] == [0, 1]
    assert decision.time == NOW
    assert set(decision_log.records) == {decision.decision_id}
    assert isinstance(engine.explain(decision.decision_id), Explanation)
    clock.pass_time(3600)
    assert engine.decide(ask()).time == NOW + 3600


class Loud:
    """Prefers whatever is tagged fresh."""

    def __init__(self, _settings: object, resources: Resources) -> None:
        catalog = resources.catalog
        self._fresh = ["fresh" in catalog.actions[at].tags for at in catalog.action_of]

    def apply(self, deciding: Deciding) -> None:
        candidates = deciding.candidates
        keep = np.array([self._fresh[at] for at in candidates.index])
        candidates.keep(keep, "not_fresh")


def test_an_engine_takes_stages_and_models_that_are_not_installed() -> None:
    catalog = make_catalog()
    scores: Mapping[str, float] = {"offer1": 0.9, "offer2": 0.95}
    engine = make_engine(
        catalog,
        pipeline=(*STAGES[:3], "loud", StageSettings(stage="propensity"), *STAGES[3:]),
        stages={"loud": StageFactory(build=Loud)},
        models={"propensity": ModelFactory(build=lambda view: FixedScorer(view, scores))},
    )
    decision = engine.decide(ask())
    assert decision.recommendations[0].action == "offer1"
    assert decision.recommendations[0].propensity == 0.9
    assert decision.dropped["loud/not_fresh"] > 0
    assert decision.model_versions == {"propensity": "fixed"}


def test_the_shop_can_be_changed_entry_by_entry() -> None:
    catalog = make_catalog(
        "[context.raining]\ntype = 'bool'\n",
        actions={"offer1": {"prior": 0.5, "tags": None}, "offer2": None},
        attributes={"size": {"type": "double"}},
    )
    assert catalog.actions[catalog.action_index["offer1"]].prior == 0.5
    assert catalog.actions[catalog.action_index["offer1"]].tags == ()
    assert "offer2" not in catalog.action_index
    assert {"raining"} <= set(catalog.context)
    assert {"size", "age"} <= set(catalog.attributes)
    with pytest.raises(MistakesFound, match="prior"):
        make_catalog(actions={"offer1": {"prior": 7}})


def test_samples_fit_the_catalog_and_are_the_same_for_a_seed(catalog: Catalog) -> None:
    full, *_, empty = sample_customers(catalog, 5, seed=3)
    assert set(full.attributes) == set(catalog.attributes)
    assert set(full.aggregates) == set(catalog.aggregates)
    assert not empty.attributes
    assert sample_customers(catalog, 5, seed=3)[0] == full
    assert sample_context(catalog, share=1.0).keys() == catalog.context.keys()


def test_a_decision_in_the_making_has_what_it_is_given(
    deciding: Callable[..., Deciding], catalog: Catalog
) -> None:
    ada = make_customer("marketing:email", age=40, first_name="Ada")
    made = deciding("banner", state=ada, columns={"value": 2.0, "cost": lambda one: one.cost})
    assert made.customer["age"] == 40
    assert made.customer["consents"] == ["marketing:email"]
    assert made.candidates["value"].tolist() == [2.0] * len(made.candidates)
    assert made.candidates["cost"][0] == 0.01
    made.candidates.drop(made.candidates["cost"] > 0, "too_dear")
    assert surviving(made) == ["nothing.app"]
    assert dropped(made)["offer1.app"] == "too_dear"
    unknown = make_deciding(catalog)
    assert not unknown.known
    assert len(unknown.placements) == len(catalog.placements)
