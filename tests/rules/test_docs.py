"""The examples of docs/rules.md run as they stand."""

from __future__ import annotations

import re
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs" / "rules.md"


def test_the_examples_of_the_docs_run() -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", DOCS.read_text(), re.DOTALL | re.MULTILINE)
    assert len(blocks) == 3
    exec(compile("\n".join(blocks), str(DOCS), "exec"), {"__name__": "docs"})


def test_the_rules_shown_first_are_rules() -> None:
    from nba_engine.rules import Schema, parse_rule
    from tests.rules.oracle import FUNCTIONS

    schema = Schema(
        customer={
            "age": "int",
            "visits": "int",
            "country": "string",
            "segment": "string",
            "last_purchase": "timestamp",
            "consents": "list<string>",
            "purchased": "map<string,int>",
            "spend": "map<string,double>",
        },
        action={"category": "string"},
        functions=FUNCTIONS,
    )
    (block,) = re.findall(r"^```cel\n(.*?)^```", DOCS.read_text(), re.DOTALL | re.MULTILINE)
    for line in block.splitlines():
        assert parse_rule(line, schema).text == line
