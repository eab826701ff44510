"""Warnings about rules that are right but may surprise."""

from __future__ import annotations

import msgspec
import pytest

from nba_engine.rules import lint, parse_rule
from tests.rules.oracle import SCHEMA


@pytest.mark.parametrize(
    ("text", "column", "hint"),
    [
        ('customer.country != "DE"', 1, '!has(customer.country) || customer.country != "DE"'),
        (
            'customer.vip && customer.country != "DE"',
            17,
            '!has(customer.country) || customer.country != "DE"',
        ),
        ('!(customer.country == "DE")', 3, '!has(customer.country) || !(customer.country == "DE")'),
        (
            '!(customer.country in ["DE"])',
            3,
            '!has(customer.country) || !(customer.country in ["DE"])',
        ),
        (
            '!("x" in customer.consents)',
            3,
            '!has(customer.consents) || !("x" in customer.consents)',
        ),
        ('context.device != "phone"', 1, '!has(context.device) || context.device != "phone"'),
    ],
)
def test_unlike_a_missing_attribute_is_pointed_out(text: str, column: int, hint: str) -> None:
    (warning,) = lint(parse_rule(text, SCHEMA))
    assert warning.hint == f"if missing should do, write {hint}"
    assert (warning.line, warning.column) == (1, column)


@pytest.mark.parametrize(
    "text",
    [
        'customer.country == "DE"',
        '!(customer.country != "DE")',
        '!has(customer.country) || customer.country != "DE"',
        'has(customer.country) && customer.country != "DE"',
        'action.category != "milk" && customer.vip',
        "customer.age > 18",
    ],
)
def test_other_comparisons_are_not(text: str) -> None:
    assert lint(parse_rule(text, SCHEMA)) == ()


def test_an_attribute_that_is_always_there_needs_no_has() -> None:
    schema = msgspec.structs.replace(SCHEMA, always=frozenset({"customer.country"}))
    assert lint(parse_rule('customer.country != "DE"', schema)) == ()
