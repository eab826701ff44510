from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pytest

from nba_engine.domain import Deciding
from nba_engine.stages.cross_sell.cross_sell import CrossSell, CrossSellSettings
from tests.stages.making import (
    NOW,
    Materials,
    catalog,
    column,
    customer,
    deciding,
    dropped,
    run,
    surviving,
)

DAY = 86_400.0
ACTIONS = """
[actions.milk]
owned_for = "10d"
attributes = { category = "MILK" }
substitutes = ["soy"]
complements = ["cereal"]
treatments.app = { channel = "app" }
[actions.soy]
owned_for = "5d"
treatments.app = { channel = "app" }
[actions.cereal]
attributes = { category = "CEREAL" }
treatments.app = { channel = "app" }
[actions.oats]
attributes = { category = "CEREAL" }
treatments.app = { channel = "app" }
[actions.plan]
upgrades_to = ["premium"]
treatments.app = { channel = "app" }
[actions.premium]
treatments.app = { channel = "app" }
"""


class Table:
    """A complement table from a dictionary."""

    def __init__(self, strengths: Mapping[str, Mapping[str, float]]) -> None:
        self._strengths = strengths

    @property
    def items(self) -> Sequence[str]:
        return list(self._strengths)

    def complements(self, item: str) -> Mapping[str, float]:
        return self._strengths.get(item, {})

    def strengths(self, items: Iterable[str]) -> Mapping[str, float]:
        raise AssertionError("the stage arranges the table by category when it is built")


TABLE = Table({"TEA": {"MILK": 0.4, "CEREAL": 0.2}, "JAM": {"CEREAL": 0.6}, "MILK": {"MILK": 9.0}})


def shop_with(
    bought: Mapping[str, float] | None = None,
    cart: Sequence[str] = (),
    table: Table | None = None,
    **settings: float,
) -> Deciding:
    """A decision after the stage; ``bought`` gives days ago by category."""
    state = customer(
        aggregates={"last_bought": {name: NOW - age * DAY for name, age in (bought or {}).items()}}
    )
    shop = catalog(ACTIONS)
    made = deciding(shop, state=state, context={"cart": list(cart)})
    chosen = CrossSellSettings(table="t" if table else "", **settings)  # type: ignore[arg-type]
    return run(CrossSell(chosen, Materials(shop, table=table)), made)


def test_without_a_purchase_or_a_cart_nothing_happens() -> None:
    made = shop_with()
    assert dropped(made) == {}
    assert "weight" not in made.candidates


@pytest.mark.parametrize(("age", "out"), [(9.99, True), (10.0, False)])
def test_what_was_bought_is_not_offered_within_its_own_window(age: float, out: bool) -> None:
    assert (dropped(shop_with({"MILK": age})).get("milk.app") == "bought_recently") == out


@pytest.mark.parametrize(
    ("bought", "age", "reasons"),
    [
        ("MILK", 9.0, {"milk.app": "bought_recently", "soy.app": "substitute_bought"}),
        ("soy", 4.0, {"soy.app": "bought_recently", "milk.app": "substitute_bought"}),
        ("soy", 6.0, {}),
    ],
)
def test_substitution_works_both_ways_for_the_window_of_what_was_bought(
    bought: str, age: float, reasons: dict[str, str]
) -> None:
    assert dropped(shop_with({bought: age})) == reasons


def test_an_action_without_a_category_is_bought_by_its_id() -> None:
    assert dropped(shop_with({"soy": 1.0}))["soy.app"] == "bought_recently"


def test_the_cart_counts_by_category_for_every_action_about_it() -> None:
    made = shop_with(cart=["CEREAL", "CEREAL", "unheard of"])
    assert dropped(made) == {"cereal.app": "in_cart", "oats.app": "in_cart"}


def test_the_first_reason_is_kept() -> None:
    assert dropped(shop_with({"MILK": 1.0}, cart=["MILK"]))["milk.app"] == "bought_recently"


def test_a_relation_raises_its_complement_and_not_itself() -> None:
    made = shop_with({"MILK": 1.0}, boost=0.5, relation_strength=1.0)
    assert column(made, "weight") == {
        "cereal.app": 1.5,
        "oats.app": 1.0,
        "plan.app": 1.0,
        "premium.app": 1.0,
        "nothing.app": 1.0,
    }


def test_strengths_of_several_sources_add_up_and_the_strongest_is_named() -> None:
    made = shop_with({"TEA": 1.0}, cart=["JAM"], table=TABLE, boost=1.0)
    assert column(made, "weight")["cereal.app"] == pytest.approx(1.8)
    assert column(made, "weight")["milk.app"] == pytest.approx(1.4)
    at = surviving(made).index
    assert made.candidates.reasons(at("oats.app")) == ("complement_of:JAM",)
    assert made.candidates.reasons(at("milk.app")) == ("complement_of:TEA",)
    assert made.candidates.reasons(at("soy.app")) == ()


def test_weights_are_bounded() -> None:
    made = shop_with({"TEA": 1.0}, cart=["JAM"], table=TABLE, boost=100.0, max_weight=2.5)
    assert column(made, "weight")["oats.app"] == 2.5


@pytest.mark.parametrize(("age", "raised"), [(13.9, True), (14.0, False)])
def test_a_purchase_raises_its_complements_within_the_window(age: float, raised: bool) -> None:
    made = shop_with({"TEA": age}, table=TABLE)
    assert ("weight" in made.candidates) == raised


def test_what_was_once_bought_without_a_window_is_owned_forever() -> None:
    made = shop_with({"plan": 4000.0})
    assert column(made, "weight")["premium.app"] == 1.5
    premium = made.catalog.treatment_index["premium.app"]
    assert made.candidates.reason_codes[premium] == ("upgrade_of:plan",)
    assert "plan.app" in surviving(made)  # it has no owned_for


def test_purchases_in_the_future_are_not_known_yet() -> None:
    assert dropped(shop_with({"MILK": -1.0})) == {}


def test_a_weight_that_is_there_is_multiplied() -> None:
    shop = catalog(ACTIONS)
    made = deciding(shop, context={"cart": ["JAM"]})
    made.candidates["weight"] = np.full(len(made.candidates), 2.0)
    run(CrossSell(CrossSellSettings(table="t", boost=1.0), Materials(shop, table=TABLE)), made)
    assert column(made, "weight")["oats.app"] == pytest.approx(3.2)
    assert column(made, "weight")["soy.app"] == 2.0
