"""The property that matters: a decision table == the same rule in CEL == Google's evaluator."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nba_engine.rules import Unit, compile_table, parse_table
from tests.rules.decision_tables.random_tables import tables
from tests.rules.oracle import SCHEMA, Oracle
from tests.rules.test_against_google import NOW, actions, contexts, customers, parsed, treatments


@pytest.mark.timeout(300)
@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    written=st.lists(tables(), min_size=1, max_size=3),
    catalog=st.lists(st.tuples(actions, treatments), min_size=1, max_size=3),
    customer=customers,
    context=contexts,
)
def test_a_table_is_the_same_rule_in_cel(
    written: list[tuple[str, str]],
    catalog: list[tuple[dict[str, Any], dict[str, Any]]],
    customer: dict[str, Any],
    context: dict[str, Any],
) -> None:
    units: list[Unit] = []
    for text, cel in written:
        table = parse_table(text, SCHEMA, file="t.csv")
        rule = parsed(cel)
        for action, treatment in catalog:
            units += [
                Unit(action=action, treatment=treatment, rules=(("t", table),)),
                Unit(action=action, treatment=treatment, rules=(("r", rule),)),
            ]
    compiled = compile_table(units)
    failing = compiled.failing(customer, context, NOW)
    halves = compiled.failing_customer(customer) | compiled.failing_context(customer, context, NOW)
    assert failing == halves
    for number, unit in enumerate(units):
        text, cel = written[number // (2 * len(catalog))]
        expected = Oracle(cel).holds(customer, context, unit.action, unit.treatment, NOW)
        assert (failing >> number & 1 == 0) is (expected is True), f"{text}\n{cel}"
        explained = compiled.explain(number, customer, context, NOW)
        assert (not explained) is (expected is True), f"{text}\n{cel}"
