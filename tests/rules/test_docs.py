"""The examples of docs/rules.md run as they stand."""

from __future__ import annotations

import re
from pathlib import Path

from nba_engine.rules import (
    Schema,
    Unit,
    compile_table,
    lint_decision_table,
    parse_rule,
    parse_table,
)
from tests.rules.oracle import FUNCTIONS

DOCS = Path(__file__).parents[2] / "docs" / "rules.md"


def test_the_examples_of_the_docs_run() -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", DOCS.read_text(), re.DOTALL | re.MULTILINE)
    assert len(blocks) == 5
    exec(compile("\n".join(blocks), str(DOCS), "exec"), {"__name__": "docs"})


def test_the_rules_shown_are_rules() -> None:
    shown = re.findall(r"^```cel\n(.*?)^```", DOCS.read_text(), re.DOTALL | re.MULTILINE)
    lines = [line for block in shown for line in block.splitlines()]
    assert len(lines) > 20
    for line in lines:
        assert parse_rule(line, schema()).text == line


def test_the_table_shown_is_the_rule_that_it_is_said_to_be() -> None:
    text = DOCS.read_text()
    (csv,) = re.findall(r"^```csv title=[^\n]*\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    (cel,) = re.findall(r"is the same rule as\n\n```cel\n(.*?)\n```", text)
    table = parse_table(csv, schema(), file="tables/drinks.csv")
    assert [str(each) for each in lint_decision_table(table) if "overlap" in str(each)] == []
    rules = (("table", table), ("rule", parse_rule(cel, schema())))
    now = 1_510_000_000.0
    for category in ("WINE", "BEER", "MILK"):
        compiled = compile_table(
            Unit(action={"category": category}, treatment={}, rules=(rule,)) for rule in rules
        )
        for age in (None, 17, 18, 21, 65, 66):
            for country in (None, "US", "DE"):
                for days in (None, 10, 31, 366):
                    last = None if days is None else now - days * 86_400
                    customer = {"age": age, "country": country, "last_purchase": last}
                    assert compiled.failing(customer, {}, now) in (0b00, 0b11)


def schema() -> Schema:
    """What the examples speak of."""
    return Schema(
        customer={
            "age": "int",
            "kids": "int",
            "visits": "int",
            "visits_30d": "double",
            "average_basket": "double",
            "country": "string",
            "segment": "string",
            "address_city": "string",
            "registered": "bool",
            "last_purchase": "timestamp",
            "consents": "list<string>",
            "interests": "list<string>",
            "purchased": "map<string,int>",
            "spend": "map<string,double>",
        },
        context={"country": "string", "cart": "list<string>"},
        action={"category": "string", "price": "double"},
        treatment={"cost": "double"},
        functions=FUNCTIONS,
    )
