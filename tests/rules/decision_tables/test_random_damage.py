"""Whatever is in the file: a decision table, or its mistakes; nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nba_engine.rules import (
    DecisionTable,
    TableError,
    Unit,
    compile_table,
    lint_coverage,
    lint_decision_table,
    parse_table,
)
from tests.rules.decision_tables.random_tables import COLUMNS
from tests.rules.oracle import SCHEMA
from tests.rules.test_against_google import NOW, customers

_PIECES = (
    *("-", "..", "!", ",", ";", '"', "'", "\n", " ", "[", ")", "(", "]", "<", ">=", "=", "has "),
    *("missing", "true", "18", "1.5", "-3", "1e999", "9" * 20, "2017-11-05", "T09:00", "Z", "DE"),
    *(
        "\x00",
        "\ufeff",
        "\r",
        "é",
        "٣",
        "\ud800",
        "\N{NO-BREAK SPACE}",
        "\N{MATHEMATICAL DOUBLE-STRUCK DIGIT ZERO}",
        "name",
        "a" * 3000,
    ),
)
_noise = st.lists(st.sampled_from(_PIECES), max_size=6).map("".join)
_headings = st.one_of(st.sampled_from(sorted(COLUMNS)), _noise)


@pytest.mark.timeout(300)
@settings(max_examples=400, deadline=None)
@given(
    headings=st.lists(_headings, min_size=1, max_size=3),
    rows=st.lists(st.lists(_noise, min_size=1, max_size=3), max_size=3),
    customer=customers,
)
def test_noise_is_a_table_or_told(
    headings: list[str], rows: list[list[str]], customer: dict[str, Any]
) -> None:
    text = "\n".join(",".join(cells) for cells in (headings, *rows))
    try:
        parse_table(text, SCHEMA, file="t.csv")
    except TableError as error:
        told = [each.message for each in error.wrong if each.line >= 1]
    else:
        use(parse_table(text, SCHEMA, file="t.csv"), customer)
        return
    assert told
    assert all(told)


def use(table: DecisionTable, customer: dict[str, Any]) -> None:
    """Whatever there is to do with a table."""
    unit = Unit(action={"category": "DE"}, treatment={}, rules=(("t", table),))
    assert all(str(warning) for warning in lint_decision_table(table))
    assert all(str(warning) for warning in lint_coverage(table, [(unit.action, unit.treatment)]))
    compiled = compile_table([unit])
    fails = bool(compiled.failing(customer, {}, NOW))
    assert fails is bool(compiled.explain(0, customer, {}, NOW))
