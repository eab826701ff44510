"""Amounts and values: typed expressions bound to an action."""

from __future__ import annotations

from typing import Any

import pytest

from nba_engine.domain import Expression
from nba_engine.rules import parse_number
from tests.rules.oracle import SCHEMA

NOW = 1_510_000_000.0


def evaluate(text: str, customer: dict[str, Any], action: dict[str, Any] | None = None) -> Any:
    expression: Expression = parse_number(text, SCHEMA).bind(action or {}, {})
    assert expression.text == text
    return expression.evaluate(customer, {}, NOW)


@pytest.mark.parametrize(
    ("text", "customer", "expected"),
    [
        ("customer.basket * 0.25", {"basket": 8.0}, 2.0),
        ("customer.basket * 0.25", {"basket": 8}, 2.0),
        ("customer.age + 1", {"age": 8}, 9.0),
        ("customer.vip ? 5.0 : 1.0", {"vip": True}, 5.0),
        ("customer.vip ? 5.0 : 1.0", {"vip": False}, 1.0),
        ("has(customer.basket) ? customer.basket : 3.0", {}, 3.0),
        ("2.5", {}, 2.5),
        ("days_since(customer.last)", {"last": NOW - 172_800.0}, 2.0),
        ('customer.spend["milk"] / 2.0', {"spend": {"milk": 3}}, 1.5),
    ],
)
def test_an_amount_is_a_float(text: str, customer: dict[str, Any], expected: float) -> None:
    found = evaluate(text, customer)
    assert (type(found), found) == (float, expected)


@pytest.mark.parametrize(
    ("text", "customer"),
    [
        ("customer.basket * 0.25", {}),
        ("customer.basket * 0.25", {"basket": "8"}),
        ("customer.basket / 0.0", {"basket": 8.0}),
        ("customer.basket", {"basket": float("nan")}),
        ("customer.basket", {"basket": True}),
        ("customer.age / 0", {"age": 1}),
        ("customer.spend.milk", {"spend": {}}),
        ("customer.vip ? 1.0 : 2.0", {}),
    ],
)
def test_what_cannot_be_computed_is_none(text: str, customer: dict[str, Any]) -> None:
    assert evaluate(text, customer) is None


def test_the_action_is_folded_in() -> None:
    action = {"price": 4}
    assert evaluate("action.price * customer.basket", {"basket": 0.5}, action) == 2.0
    assert evaluate("action.price * 0.25", {}, action) == 1.0
    assert evaluate("action.price * 0.25", {}, {}) is None


def test_an_amount_knows_what_it_reads() -> None:
    parsed = parse_number("customer.basket * action.price + customer.spend.milk", SCHEMA)
    assert parsed.paths == ("customer.basket", "action.price", "customer.spend")
