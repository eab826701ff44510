"""What a customer is worth, in the decision after a purchase."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from nba_engine.domain import (
    VALUE_NAMES,
    CustomerView,
    Decision,
    DecisionRequest,
    Interaction,
    PlacementRequest,
    Store,
)
from nba_engine.engine import Engine
from nba_engine.store import open_store
from nba_engine.testing import FakeStore, FixedClock, make_engine
from tests.catalog.test_customer_value import MODEL, SHOP, VALUE

DAY = 86_400.0
NOW = 20_000 * DAY
# letters cost half a unit: a budget of four letters for new customers, none for those who are gone
BUDGET = VALUE.replace("floor = 2.0", "floor = 0.6").replace(
    "new_customer = 4.0", "new_customer = 2"
)


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    made: Store = FakeStore()
    if request.param == "sqlite":
        made = open_store(tmp_path / "nba.db", simulated=True)
    yield made
    made.close()


@pytest.fixture
def engine(store: Store) -> Engine:
    always = SHOP.replace('kind = "win_back"', 'kind = "win_back"\nprior = 0.5\nvalue = 50.0')
    offer = """
    [actions.wine]
    name = "Wine"
    prior = 0.5
    value = 20.0
    treatments.email = { channel = "email", cost = 0.5 }
    """
    files = {"shop.toml": always + offer, "value.toml": BUDGET, "value_model.toml": MODEL}
    return make_engine(files, store=store, clock=FixedClock(NOW))


def buy(engine: Engine, *days_ago: float) -> None:
    engine.record(
        [
            Interaction(
                interaction_id=f"i{days}",
                identity="crm:1",
                type="purchase",
                time=NOW - days * DAY,
                properties={"amount": 35.0},
            )
            for days in days_ago
        ]
    )


def decide(engine: Engine) -> Decision:
    placements = (PlacementRequest(placement="newsletter", slots=1),)
    return engine.decide(DecisionRequest(identity="crm:1", placements=placements))


def offered(engine: Engine) -> str:
    return decide(engine).recommendations[0].action


def test_a_purchase_ends_winning_back_at_the_next_decision(engine: Engine) -> None:
    buy(engine, 200, 190, 180)
    assert offered(engine) == "back"
    buy(engine, 0)
    assert offered(engine) == "wine"


def test_the_budget_of_a_new_customer_is_spent_and_grows_with_a_purchase(engine: Engine) -> None:
    assert [offered(engine) for _ in range(5)] == ["wine"] * 4 + ["nothing"]
    buy(engine, 30, 20, 10, 0)
    assert offered(engine) == "wine"


def test_who_is_gone_has_the_floor_as_budget(engine: Engine) -> None:
    buy(engine, 900, 890, 880)
    assert [offered(engine) for _ in range(2)] == ["back", "nothing"]


def test_an_explanation_tells_what_the_customer_was_worth_at_that_time(engine: Engine) -> None:
    buy(engine, 100, 60, 20)
    decision = decide(engine)
    told = engine.explain(decision.decision_id)
    view = CustomerView(engine.profile("crm:1"), engine.catalog.aggregates, NOW)
    assert told.customer_value == {name: view[name] for name in VALUE_NAMES}
    assert told.customer_value["purchase_days"] == 3
    (sentence,) = [one for one in told.sentences if "P(alive)" in one]
    alive, budget = told.customer_value["p_alive"], told.customer_value["ad_budget"]
    assert isinstance(alive, float)
    assert isinstance(budget, float)
    assert f"bought on 3 days and is still a customer with {alive:.1%} (P(alive))" in sentence
    assert f"advertising may cost {budget:.2f} USD within 91 days" in sentence
    buy(engine, 0)  # it stays what it was
    assert engine.explain(decision.decision_id).customer_value == told.customer_value
    again = engine.explain(decide(engine).decision_id)
    assert again.customer_value["purchase_days"] == 4


def test_a_new_customer_and_one_who_is_gone_are_told(engine: Engine) -> None:
    told = engine.explain(decide(engine).decision_id)
    expected = "No purchase of the customer is known; advertising may cost 2.00 USD within 91 days."
    assert expected in told.sentences
    buy(engine, 900, 890, 880)
    told = engine.explain(decide(engine).decision_id)
    assert any("to be won back: has probably slipped away." in s for s in told.sentences)


def test_a_sensitive_value_is_not_told(store: Store) -> None:
    files = {"shop.toml": SHOP, "value.toml": BUDGET + "sensitive = true\n", "m.toml": MODEL}
    engine = make_engine(files, store=store, clock=FixedClock(NOW))
    buy(engine, 900, 890, 880)
    told = engine.explain(decide(engine).decision_id)
    assert told.customer_value == {}
    assert not [one for one in told.sentences if "P(alive)" in one or "advertising" in one]
