"""Why a conjunct failed, and what would make it hold: applied, it does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nba_engine.domain import Change, FailedConjunct
from nba_engine.rules import Schema, Unit, apply_changes, compile_table, parse_rule
from nba_engine.rules.nodes import paths
from nba_engine.rules.parse import ParsedRule, parse
from tests.rules import random_rules
from tests.rules.oracle import SCHEMA, Oracle

NOW = random_rules.NOW
DAY = 86_400.0


def explain(
    text: str,
    customer: dict[str, Any],
    context: dict[str, Any] | None = None,
    action: dict[str, Any] | None = None,
    schema: Schema = SCHEMA,
) -> Sequence[FailedConjunct]:
    node = parse(text, schema)
    rule = ParsedRule(text=text, node=node, schema=schema, paths=paths(node))
    table = compile_table([Unit(action=action or {}, treatment={}, rules=(("r", rule),))])
    return table.explain(0, customer, context or {}, NOW)


def applied(
    changes: Sequence[Change], customer: dict[str, Any], context: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, Any], float]:
    """The changes done by hand, as the engine's what-if does them."""
    customer, context, now = dict(customer), dict(context), NOW
    for change in changes:
        if change.kind == "time":
            now = change.value
        elif change.kind == "consent":
            given = customer.get("consents")
            customer["consents"] = [*(given if isinstance(given, list) else []), change.target]
        else:
            (customer if change.kind == "attribute" else context)[change.target] = change.value
    return customer, context, now


@pytest.mark.timeout(300)
@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    text=random_rules.rules,
    customer=random_rules.values(dict(SCHEMA.customer)),
    context=random_rules.values(dict(SCHEMA.context)),
)
def test_the_named_changes_make_the_conjunct_hold_for_google_too(
    text: str, customer: dict[str, Any], context: dict[str, Any]
) -> None:
    action = {"category": "milk", "price": 2.0, "tags": ["a"], "level": 1}
    for failed in explain(text, customer, context, action):
        oracle = Oracle(failed.text)
        assert oracle.holds(customer, context, action, {}, NOW) is not True
        if failed.changes:
            after = applied(failed.changes, customer, context)
            assert oracle.holds(after[0], after[1], action, {}, after[2]) is True, failed


@pytest.mark.parametrize(
    ("text", "customer", "status", "changes"),
    [
        ("customer.age >= 18", {"age": 17}, "false", [("attribute", "age", 18)]),
        ("customer.age >= 18", {}, "missing", [("attribute", "age", 18)]),
        ("customer.age >= 18", {"age": "x"}, "error", [("attribute", "age", 18)]),
        ("!(customer.age >= 18)", {"age": 40}, "false", [("attribute", "age", 17)]),
        ("customer.basket > 20.0", {"basket": 5.0}, "false", [("attribute", "basket", 20.01)]),
        ("customer.basket < 20.0", {"basket": 50.0}, "false", [("attribute", "basket", 19.99)]),
        (
            'customer.country in ["DE", "AT"]',
            {"country": "FR"},
            "false",
            [("attribute", "country", "DE")],
        ),
        (
            'customer.country != "DE"',
            {"country": "DE"},
            "false",
            [("attribute", "country", "other")],
        ),
        ("customer.vip", {"vip": False}, "false", [("attribute", "vip", True)]),
        ("!customer.vip", {"vip": True}, "false", [("attribute", "vip", False)]),
        ("has(customer.age)", {}, "false", [("attribute", "age", 1)]),
        ("!has(customer.age)", {"age": 5}, "false", [("attribute", "age", None)]),
        (
            "customer.age < 18 || customer.age > 65",
            {"age": 60},
            "false",
            [("attribute", "age", 66)],
        ),
        (
            '"marketing:email" in customer.consents',
            {"consents": ["x"]},
            "false",
            [("consent", "marketing:email", None)],
        ),
        (
            '"marketing:email" in customer.consents',
            {},
            "missing",
            [("consent", "marketing:email", None)],
        ),
        (
            '!("x" in customer.consents)',
            {"consents": ["x", "y"]},
            "false",
            [("attribute", "consents", ["y"])],
        ),
        (
            '"x" in customer.spend',
            {"spend": {"y": 2.0}},
            "false",
            [("attribute", "spend", {"y": 2.0, "x": 1.0})],
        ),
        ('!("x" in customer.spend)', {"spend": {"x": 2.0}}, "false", [("attribute", "spend", {})]),
        (
            'customer.spend["x"] > 3.0',
            {"spend": {"x": 2.0}},
            "false",
            [("attribute", "spend", {"x": 3.01})],
        ),
        (
            'customer.spend["x"] > 3.0',
            {"spend": {}},
            "missing",
            [("attribute", "spend", {"x": 3.01})],
        ),
        (
            "customer.age > 18 || customer.vip",
            {"age": 3, "vip": False},
            "false",
            [("attribute", "age", 19)],
        ),
        (
            "customer.age > customer.visits",
            {"age": 3, "visits": 9},
            "false",
            [("attribute", "age", 10)],
        ),
        (
            'customer.city.startsWith("Mün")',
            {"city": "Ulm"},
            "false",
            [("attribute", "city", "Mün")],
        ),
        (
            "days_since(customer.last) > 90.0",
            {"last": NOW - DAY},
            "false",
            [("time", "", NOW + 89 * DAY + 1)],
        ),
        (
            "days_since(customer.last) >= 90.0",
            {"last": NOW - DAY},
            "false",
            [("time", "", NOW + 89 * DAY)],
        ),
        (
            "days_since(customer.last) < 7.0",
            {"last": NOW - 30 * DAY},
            "false",
            [("attribute", "last", NOW)],
        ),
        ("now >= timestamp('2017-12-01T00:00:00Z')", {}, "false", [("time", "", 1_512_086_400.0)]),
        ("now.getHours() < 20", {}, "false", [("time", "", 1_510_012_800.0)]),
        (
            "customer.last < timestamp('2017-01-01T00:00:00Z')",
            {"last": NOW},
            "false",
            [("attribute", "last", 1_483_228_799.0)],
        ),
    ],
)
def test_a_failed_conjunct_names_the_change(
    text: str, customer: dict[str, Any], status: str, changes: list[tuple[str, str, Any]]
) -> None:
    (failed,) = explain(text, customer)
    assert failed.text == text
    assert failed.status == status
    found = [(change.kind, change.target, change.value) for change in failed.changes]
    if changes[0][0] == "time":  # found to the second
        assert found == [("time", "", pytest.approx(changes[0][2], abs=1.0))]
    else:
        assert found == changes


def test_context_is_changed_as_context() -> None:
    (failed,) = explain("context.total > 10.0", {}, {"total": 1.0})
    assert [(c.kind, c.target, c.value) for c in failed.changes] == [("context", "total", 10.01)]


def test_an_action_cannot_be_changed_but_is_seen() -> None:
    (failed,) = explain("action.price < 2.0 && customer.vip", {"vip": True}, None, {"price": 5.0})
    assert failed.text == "action.price < 2.0"
    assert failed.saw == {"action.price": 5.0}
    assert failed.changes == ()


def test_a_missing_attribute_of_the_action_is_missing() -> None:
    (failed,) = explain("action.price < customer.basket", {"basket": 3.0})
    assert (failed.status, failed.saw) == ("missing", {"action.price": None})


def test_what_a_conjunct_saw_is_what_it_read() -> None:
    failed = explain(
        "customer.spend[action.category] > 10.0 && days_since(customer.last) > 1.0",
        {"spend": {"milk": 2.0, "beer": 3.0}, "last": NOW},
        None,
        {"category": "milk"},
    )
    assert failed[0].saw == {"customer.spend.milk": 2.0, "action.category": "milk"}
    assert failed[1].saw == {"now": NOW, "customer.last": NOW}


def test_only_the_conjuncts_that_failed_are_named() -> None:
    failed = explain(
        "customer.age > 18 && customer.vip && has(customer.city)", {"age": 20, "vip": False}
    )
    assert [part.text for part in failed] == ["customer.vip", "has(customer.city)"]


@pytest.mark.parametrize(
    ("text", "texts"),
    [
        ("!(customer.age < 18 || customer.vip)", ["!(customer.age < 18)", "!(customer.vip)"]),
        (
            "!customer.vip && (customer.age > 70 || (customer.age < 3))",
            ["!customer.vip", "customer.age > 70 || (customer.age < 3)"],
        ),
        (
            "!(customer.vip && size(customer.city) > 1)",
            ["!(customer.vip && size(customer.city) > 1)"],
        ),
        ("(customer.age > 70) && true", ["customer.age > 70"]),
        (
            'r"a)" != customer.city || customer.age in [1, 2]',
            ['r"a)" != customer.city || customer.age in [1, 2]'],
        ),
    ],
)
def test_texts_of_conjuncts_are_pieces_of_the_source(text: str, texts: list[str]) -> None:
    customer = {"age": 10, "vip": True, "city": "a)"}
    assert [failed.text for failed in explain(text, customer)] == texts


def test_sensitive_values_are_not_shown_and_not_leaked_by_changes() -> None:
    schema = Schema(
        customer={"income": "double", "illnesses": "list<string>", "codes": "map<string,int>"},
        sensitive=frozenset({"customer.income", "customer.illnesses", "customer.codes"}),
    )
    customer = {"income": 12.5, "illnesses": ["flu"], "codes": {"flu": 77}}
    text = 'customer.income > 99.0 && "none" in customer.illnesses && customer.codes["x"] > 3'
    failed = explain(text, customer, schema=schema)
    assert len(failed) == 3
    assert all(set(part.saw.values()) <= {"(sensitive)", None} for part in failed)
    assert not any(secret in str(failed) for secret in ("12.5", "flu", "77"))
    changed, _, _ = apply_changes([c for part in failed for c in part.changes], customer, {}, NOW)
    assert not explain(text, dict(changed), schema=schema)


def test_changes_have_words_for_people() -> None:
    (age,) = explain("customer.age >= 18", {"age": 17})[0].changes
    (last,) = explain("days_since(customer.last) > 90.0", {"last": NOW - DAY})[0].changes
    (spend,) = explain('customer.spend["milk"] > 1.0', {})[0].changes
    (vip,) = explain("!has(customer.vip)", {"vip": True})[0].changes
    assert age.text == "customer.age would have to be 18 (it is 17)"
    assert last.text == "decide at 20:26:41 on 3 February 2018 or later"
    assert spend.text == 'customer.spend["milk"] would have to be 1.01'
    assert vip.text == "customer.vip would have to be absent (it is true)"


@given(st.sampled_from(["customer.age > 18", "has(customer.vip)"]))
def test_an_eligible_unit_has_nothing_to_explain(text: str) -> None:
    rule = parse_rule(text, SCHEMA)
    table = compile_table([Unit(action={}, treatment={}, rules=(("r", rule),))])
    assert table.explain(0, {"age": 19, "vip": False}, {}, NOW) == ()
