"""What a customer is worth, in the decision after a purchase."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from nba_engine.domain import Decision, DecisionRequest, Interaction, PlacementRequest, Store
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
