from __future__ import annotations

import pytest

from nba_engine.catalog import Catalog, Vocabulary, load, load_leniently
from nba_engine.domain import CustomerState, CustomerView, Interaction
from nba_engine.domain.algebra import fold_for

DAY = 86_400.0
NOW = 20_000 * DAY
SHOP = """
[channels.email]
direction = "outbound"
[placements.newsletter]
channel = "email"
[actions.nothing]
kind = "nothing"
[actions.back]
name = "Come back"
kind = "win_back"
treatments.email = { channel = "email", cost = 0.5 }
[rules.gone]
tier = "applicability"
when = "customer.win_back && customer.p_alive < 0.2 && customer.purchase_days > 2"
applies_to = { actions = ["back"] }
[limits.ad_budget]
scope = ["customer"]
measure = "money"
amount = "customer.ad_budget"
window = "rolling 91d"
"""
VALUE = """
[value]
cost_of_goods = 0.6
margin = 0.1
floor = 2.0
cap = 30.0
new_customer = 4.0
"""
MODEL = """
[value_model]
types = ["purchase"]
amount = "amount"
purchases = { kind = "mbg_nbd", r = 0.525, alpha = 43.28, a = 0.891, b = 1.614 }
alive = { kind = "mbg_nbd", r = 0.525, alpha = 43.28, a = 0.891, b = 1.614 }
spend = { p = 6.25, q = 3.74, gamma = 15.4 }
"""


def shop(*parts: str) -> Catalog:
    return load({f"{n}.toml": text for n, text in enumerate((SHOP, *parts))}, Vocabulary())


def customer(catalog: Catalog, *days: float, amount: float = 35.0) -> CustomerView:
    history = [
        Interaction(
            interaction_id=f"i{n}",
            identity="crm:1",
            type="purchase",
            time=NOW - day * DAY,
            properties={"amount": amount},
        )
        for n, day in enumerate(days)
    ]
    states = fold_for(catalog.aggregates)({}, history)
    state = CustomerState(customer_id="c", aggregates=states)
    return CustomerView(state, catalog.aggregates, NOW)


def test_a_purchase_is_in_all_values_the_next_time_they_are_read() -> None:
    catalog = shop(VALUE, MODEL)
    before, after = customer(catalog, 200, 190, 180), customer(catalog, 200, 190, 180, 0)
    assert (before["purchase_days"], after["purchase_days"]) == (3, 4)
    assert before["p_alive"] < 0.2 < 0.8 < after["p_alive"]
    assert (before["win_back"], after["win_back"]) == (True, False)
    assert 0 < before["expected_purchases"] < after["expected_purchases"]
    assert before["expected_spend"] == pytest.approx(35.0, abs=2.0)
    budget = after["expected_purchases"] * after["expected_spend"] * 0.3
    assert after["ad_budget"] == pytest.approx(budget)
    assert before["ad_budget"] == 2.0  # the floor
    assert customer(catalog, 9, 7, 5, 0, amount=900.0)["ad_budget"] == 30.0  # the cap


def test_time_alone_changes_values() -> None:
    catalog = shop(VALUE, MODEL)
    seen = [customer(catalog, 30 + wait, 20 + wait, wait)["p_alive"] for wait in (1, 30, 90, 300)]
    assert seen == sorted(seen, reverse=True)


def test_a_customer_who_never_bought_has_the_budget_of_new_customers_and_no_other_value() -> None:
    catalog = shop(VALUE, MODEL)
    nobody = customer(catalog)
    assert (nobody["ad_budget"], nobody["win_back"], nobody["purchase_days"]) == (4.0, False, 0)
    assert not {"p_alive", "expected_spend", "expected_purchases"} & set(nobody.names())


def test_until_a_model_was_fitted_everybody_has_the_budget_of_new_customers() -> None:
    someone = customer(shop(VALUE), 20, 10, 0)
    assert (someone["ad_budget"], someone["win_back"], someone["purchase_days"]) == (4.0, False, 3)
    assert "p_alive" not in someone


def test_without_a_model_of_spend_the_budget_is_that_of_new_customers() -> None:
    unpaid = "\n".join(line for line in MODEL.splitlines() if not line.startswith("spend"))
    someone = customer(shop(VALUE, unpaid), 20, 10, 0)
    assert (someone["ad_budget"], someone.get("expected_spend")) == (4.0, None)
    assert someone["expected_purchases"] > 0


def test_without_a_model_of_who_is_alive_nobody_slips_away() -> None:
    stays = """
    [value_model]
    types = ["purchase"]
    amount = "amount"
    purchases = { kind = "gamma_poisson", r = 1.4, alpha = 9.5 }
    """
    someone = customer(shop(VALUE, stays), 500, 490, 480)
    assert (someone["p_alive"], someone["win_back"]) == (1.0, False)
    assert someone["expected_purchases"] == pytest.approx((1.4 + 2) / (9.5 + 500) * 91)


def test_a_recent_rate_counts_the_last_days_only() -> None:
    recent = """
    [value_model]
    types = ["purchase"]
    amount = "amount"
    purchases = { kind = "recent_rate", r = 1.2, alpha = 8.3, window = 91 }
    """
    someone = customer(shop(VALUE, recent), 500, 490, 90, 40, 3)
    assert someone["expected_purchases"] == pytest.approx((1.2 + 3) / (8.3 + 91) * 91)


def test_the_values_are_declared_to_rules_and_there_without_the_table_they_are_not() -> None:
    assert shop(VALUE, MODEL).warnings == ()
    _, mistakes = load_leniently({"shop.toml": SHOP}, Vocabulary())
    assert any("win_back" in one.message for one in mistakes)


@pytest.mark.parametrize(
    ("value", "model", "place", "words"),
    [
        (VALUE, MODEL.replace("a = 0.891", "a = 0.0"), "value_model", "a and b"),
        (VALUE.replace("cap = 30.0", "cap = 0.5"), MODEL, "value.cap", "below the floor"),
        (VALUE + "[attributes.ad_budget]\ntype = 'double'", MODEL, "value", "elsewhere"),
        ("", MODEL, "value_model", "no table `value`"),
        (VALUE, MODEL.replace("mbg_nbd", "recent_rate"), "value_model", "window"),
        (VALUE, MODEL.replace("r = 0.525", "r = 0.0"), "value_model", "r"),
    ],
)
def test_mistakes_are_told_with_their_place(value: str, model: str, place: str, words: str) -> None:
    files = {"shop.toml": SHOP, "value.toml": value, "value_model.toml": model}
    _, mistakes = load_leniently(files, Vocabulary())
    found = [one for one in mistakes if one.place.startswith(place)]
    assert any(words in f"{one.place} {one.message}" for one in found), mistakes


def test_a_model_of_other_purchases_says_nothing_and_is_told() -> None:
    catalog = shop(VALUE + 'types = ["order"]\n', MODEL)
    assert ["types changed" in one.message for one in catalog.warnings] == [True]
    assert customer(catalog, 3)["ad_budget"] == 4.0
