"""The property that matters: tables == closures == Google's evaluator, whatever is in a profile."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nba_engine.rules import RuleError, Unit, compile_table
from nba_engine.rules.closures import truth_of
from nba_engine.rules.fold import fold
from nba_engine.rules.nodes import paths
from nba_engine.rules.parse import ParsedRule, parse, parse_rule
from nba_engine.rules.values import timestamp
from tests.rules import random_rules
from tests.rules.oracle import SCHEMA, Oracle

NOW = random_rules.NOW
customers = random_rules.values(dict(SCHEMA.customer))
contexts = random_rules.values(dict(SCHEMA.context))
# what a catalog says of an action has been checked when it was loaded: right types, some missing
actions = st.fixed_dictionaries(
    {},
    optional={
        "category": st.sampled_from(random_rules.WORDS),
        "price": st.sampled_from((0.0, 2.0, 18.0)),
        "tags": st.lists(st.sampled_from(random_rules.WORDS), max_size=2),
        "level": st.sampled_from((0, 1, 18)),
    },
)
treatments = st.fixed_dictionaries({}, optional={"channel": st.just("DE"), "cost": st.just(1.0)})


def parsed(text: str) -> ParsedRule:
    """A rule, also one that `parse_rule` refuses as pointless: it has a truth all the same."""
    node = parse(text, SCHEMA)
    return ParsedRule(text=text, node=node, schema=SCHEMA, paths=paths(node))


@pytest.mark.timeout(300)
@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    texts=st.lists(random_rules.rules, min_size=1, max_size=4),
    catalog=st.lists(st.tuples(actions, treatments), min_size=1, max_size=2),
    customer=customers,
    context=contexts,
)
def test_tables_and_closures_agree_with_google(
    texts: list[str],
    catalog: list[tuple[dict[str, Any], dict[str, Any]]],
    customer: dict[str, Any],
    context: dict[str, Any],
) -> None:
    rules = [(text, parsed(text)) for text in texts]
    units = [
        Unit(action=action, treatment=treatment, rules=((text, rule),))
        for action, treatment in catalog
        for text, rule in rules
    ]
    failing = compile_table(units).failing(customer, context, NOW)
    for number, unit in enumerate(units):
        text = unit.rules[0][0]
        expected = Oracle(text).holds(customer, context, unit.action, unit.treatment, NOW)
        folded = fold(dict(rules)[text].node, unit.action, unit.treatment)
        truth = truth_of(folded)(customer, context, timestamp(NOW), None)
        assert truth is expected, text
        assert (failing >> number & 1 == 0) is (expected is True), text


@pytest.mark.timeout(300)
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    texts=st.lists(random_rules.rules, min_size=2, max_size=5), customer=customers, context=contexts
)
def test_a_unit_is_eligible_when_every_one_of_its_rules_holds(
    texts: list[str], customer: dict[str, Any], context: dict[str, Any]
) -> None:
    action = {"category": "milk", "price": 2.0, "tags": [], "level": 1}
    rules = tuple((text, parsed(text)) for text in texts)
    table = compile_table([Unit(action=action, treatment={}, rules=rules)])
    expected = all(Oracle(text).holds(customer, context, action, {}, NOW) is True for text in texts)
    assert (table.failing(customer, context, NOW) == 0) is expected
    assert (not table.explain(0, customer, context, NOW)) is expected
    halves = table.failing_customer(customer) | table.failing_context(customer, context, NOW)
    assert halves == table.failing(customer, context, NOW)


@pytest.mark.timeout(300)
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(text=random_rules.rules, customer=customers, context=contexts, action=actions)
def test_a_rule_refused_as_always_true_or_false_is_just_that(
    text: str, customer: dict[str, Any], context: dict[str, Any], action: dict[str, Any]
) -> None:
    try:
        parse_rule(text, SCHEMA)
    except RuleError as error:
        truth = Oracle(text).holds(customer, context, action, {}, NOW)
        if "always true" in error.message:
            assert truth is True
        elif "always false" in error.message or "always an error" in error.message:
            assert truth is not True


@pytest.mark.parametrize(
    ("text", "customer"),
    [
        ("customer.age == 1", {"age": True}),
        ("customer.vip == true", {"vip": 1}),
        ("customer.age in [0, 1]", {"age": False}),
        ("1.0 in customer.amounts", {"amounts": [True]}),
        ("customer.age > 18", {"age": float("nan")}),
        ("!(customer.age > 18)", {"age": float("nan")}),
        ("!(customer.age <= 18)", {"age": float("nan")}),
        ("customer.basket != 1.0", {"basket": float("nan")}),
        ("customer.basket in [1.0]", {"basket": float("nan")}),
        ('customer.country != "DE"', {}),
        ('customer.country != "DE"', {"country": None}),
        ('customer.country != "DE"', {"country": 5}),
        ('!has(customer.country) || customer.country != "DE"', {}),
        ("customer.age > 18 || customer.vip", {"vip": True}),
        ("customer.age > 18 && customer.vip", {"vip": False}),
        ("!(customer.age > 18 && customer.vip)", {"vip": False}),
        ("customer.age > 18", {"age": 18.5}),
        ("customer.basket * 2.0 > 1.0", {"basket": 3}),
        ("customer.age + 1 == 19", {"age": 18.0}),
        ("customer.age + 1 > 0", {"age": 2**63 - 1}),
        ("customer.age / customer.visits > 0", {"age": 1, "visits": 0}),
        ("customer.age / customer.visits == -3", {"age": -7, "visits": 2}),
        ("customer.age % customer.visits == -1", {"age": -7, "visits": 2}),
        ("customer.age % customer.visits == 0", {"age": -(2**63), "visits": -1}),
        ("customer.age / customer.visits > 0", {"age": -(2**63), "visits": -1}),
        ("-customer.age < 0", {"age": -(2**63)}),
        ("customer.basket / context.total > 1.0", {"basket": 1.0}),
        ("1.0 / customer.basket > 1.0", {"basket": 0.0}),
        ("1.0 / customer.basket < -1.0", {"basket": -0.0}),
        ("0.0 / customer.basket != 0.0", {"basket": 0.0}),
        ("int(customer.basket) == 3", {"basket": 3.9}),
        ("int(customer.basket) == 3", {"basket": "3"}),
        ("int(customer.basket) == 3", {"basket": " +3 "}),
        ("int(customer.basket) == 3", {"basket": "3.0"}),
        ("int(customer.basket) > 3", {"basket": "9" * 20}),
        ("int(customer.basket) == 1", {"basket": True}),
        ("int(customer.basket) > 1", {"basket": 1e19}),
        ("int(customer.basket) > 1", {"basket": float("nan")}),
        ("int(customer.last) == 1510000000", {"last": NOW + 0.5}),
        ("double(customer.age) > 3.0", {"age": "3.5"}),
        ("double(customer.age) > 3.0", {"age": "three"}),
        ("double(customer.age) > 0.0", {"age": True}),
        ("size(customer.consents) == 2", {"consents": "éa"}),
        ("size(customer.consents) == 2", {"consents": 2}),
        ('customer.consents[0] == "a"', {"consents": ["a"]}),
        ('customer.consents[1] == "a"', {"consents": ["a"]}),
        ('customer.consents[0] == "a"', {"consents": {"a": 1}}),
        ("customer.last + duration('1h') > now", {"last": 253402300799}),
        ("now - customer.last > duration('0s')", {"last": -62135596800}),
        ("(now - customer.last).getMinutes() == -90", {"last": NOW + 5400.0}),
        ("(now - customer.last).getSeconds() == 1", {"last": NOW - 1.5}),
        ("customer.last.getDate() == 31", {"last": 1_483_225_200}),
        ('customer.last.getDate("+01:00") == 1', {"last": 1_483_225_200}),
        ('customer.last.getHours("Europe/Berlin") == 0', {"last": 1_483_225_200}),
        ("customer.last.getDayOfMonth() == 30", {"last": 1_483_225_200}),
        ("customer.last.getDayOfYear() == 365", {"last": 1_483_225_200}),
        ("customer.last.getMilliseconds() == 250", {"last": 5.25}),
        ("customer.last.getMinutes() + customer.last.getSeconds() == 5", {"last": 5.25}),
        ("customer.country.matches('^[a-z]+$')", {"country": "abc"}),
        ("customer.country.matches('^[a-z]+$')", {"country": 5}),
        ("customer.country < 'é'", {"country": "z"}),
        ("customer.consents == ['a', 'b']", {"consents": ["a", "b"]}),
        ("customer.amounts == [1.0]", {"amounts": [1]}),
        ("customer.amounts == [1.0]", {"amounts": [True]}),
        ("customer.consents + ['x'] == ['a', 'x']", {"consents": ["a"]}),
        ("customer.seen.milk < now", {"seen": {"milk": 5}}),
        ("customer.seen == customer.seen", {"seen": {"milk": 5}}),
        ("now in [customer.last]", {"last": NOW}),
        ("customer.consents.exists(now, now == 'a')", {"consents": ["a"]}),
        ("customer.consents.exists(customer, customer == 'a')", {"consents": ["a"]}),
        ("has(customer.spend.milk)", {"spend": 5}),
        ("has(customer.spend.milk)", {}),
        ("has(customer.spend.milk)", {"spend": {}}),
        ('"a" in customer.consents', {"consents": "a"}),
        ('"a" in customer.consents', {"consents": {"a": 1}}),
        ('"a" in customer.consents', {"consents": [["a"], {"a": 1}, "a"]}),
        ("days_since(customer.last) > 1.0", {"last": "yesterday"}),
        ("days_since(customer.last) > 1.0", {"last": True}),
        ("customer.last < now", {"last": 1e300}),
        ('customer.consents.exists(c, c.startsWith("a"))', {"consents": [1, "a"]}),
        ('customer.consents.all(c, c.startsWith("a"))', {"consents": [1, "b"]}),
        ('customer.consents.exists_one(c, c.startsWith("a"))', {"consents": [1, "a"]}),
        ("customer.basket in [1e300]", {"basket": -1}),
        ("customer.basket != 1e300", {"basket": 1e300}),
    ],
)
def test_every_pitfall_is_decided_as_google_does(text: str, customer: dict[str, Any]) -> None:
    table = compile_table([Unit(action={}, treatment={}, rules=(("r", parse_rule(text, SCHEMA)),))])
    expected = Oracle(text).holds(customer, {}, {}, {}, NOW)
    assert (table.failing(customer, {}, NOW) == 0) is (expected is True)
