"""How explanations say things."""

from __future__ import annotations

from typing import Any

import pytest

from nba_engine.domain import Change
from nba_engine.domain.words import (
    a_share,
    enumerated,
    rounded_up,
    spoken_money,
    spoken_number,
    spoken_time,
    spoken_value,
    with_changes,
)

ZONE = "America/New_York"
NOON = 1_510_074_000.0  # 12:00 on 7 November 2017 in New York


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (0.0, "0.00 USD"),
        (-0.0, "0.00 USD"),
        (0.5, "0.50 USD"),
        (-0.30000000000000004, "-0.30 USD"),
        (0.1234, "0.1234 USD"),
        (0.00123, "0.0012 USD"),
        (0.000012, "0.000012 USD"),
        (-0.00000001, "0.000000 USD"),
        (1.005, "1.00 USD"),
        (1234567.891, "1,234,567.89 USD"),
        (-3.2, "-3.20 USD"),
    ],
)
def test_money_has_cents_or_as_many_digits_as_small_amounts_need(amount: float, text: str) -> None:
    assert spoken_money(amount, "USD") == text


@pytest.mark.parametrize(
    ("value", "type_", "text"),
    [
        (None, "string", "missing"),
        (True, "bool", "true"),
        (False, "bool", "false"),
        ("Cold", "string", "“Cold”"),
        (7, "int", "7"),
        (10.0, "double", "10"),
        (0.25, "double", "0.25"),
        (1 / 3, "double", "about 0.333333"),
        (1e300, "double", "1e+300"),
        (NOON, "timestamp", "12:00 on 7 November 2017"),
        (NOON, "double", "1510074000"),
        ({}, "map<string,int>", "empty"),
        ([], "list<string>", "empty"),
        ({"Cold and flu": 1}, "map<string,int>", "“Cold and flu” (1)"),
        ({"a": NOON, "b": NOON}, "map<string, timestamp>", "“a” (12:00 on 7 November 2017) and "),
        (["a", "b", "c"], "list<string>", "“a”, “b” and “c”"),
        ((1.0, 2.5), "list<double>", "1 and 2.5"),
        (list("abcdefghijk"), "list<string>", "“a”, “b”, “c”, “d”, “e”, “f”, “g”, “h” and 3 more"),
        (list("abcdefgh"), "list<string>", "“a”, “b”, “c”, “d”, “e”, “f”, “g” and “h”"),
        (
            dict.fromkeys("abcdefghi", 2.0),
            "map<string, double>",
            "“a” (2), “b” (2), “c” (2), “d” (2), “e” (2), “f” (2), “g” (2), “h” (2) and 1 more",
        ),
    ],
)
def test_values_are_words_and_not_python(value: Any, type_: str, text: str) -> None:
    assert spoken_value(value, type_, ZONE).startswith(text)


def test_numbers_are_exact_where_they_must_be() -> None:
    assert spoken_number(50.00000000000001) == "about 50"
    assert spoken_number(50.00000000000001, exact=True) == "50.00000000000001"
    assert spoken_value([0.1 + 0.2], "list<double>", ZONE, exact=True) == "0.30000000000000004"
    assert spoken_number(float("inf")) == "inf"


@pytest.mark.parametrize(
    ("time", "text"),
    [
        (NOON + 41.5, "12:00:41 on 7 November 2017"),
        (-62_135_596_800.0, "a time before all calendars"),
        (1e18, "a time beyond all calendars"),
        (0.0, "19:00 on 31 December 1969"),
    ],
)
def test_times_are_those_of_the_zone(time: float, text: str) -> None:
    assert spoken_time(time, ZONE) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0.2, "a 20.00%"),
        (0.1845, "an 18.45%"),
        (0.11, "an 11.00%"),
        (0.08, "an 8.00%"),
        (0.8999, "an 89.99%"),
        (0.018, "a 1.80%"),
        (0.008, "a 0.80%"),
        (1.0, "a 100.00%"),
    ],
)
def test_a_share_has_its_article(share: float, text: str) -> None:
    assert a_share(share) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (1.000001, "1.01"),
        (1.2, "1.2"),
        (2.0, "2"),
        (501.0005, "502"),
        (123456.0, "124000"),
        (0.000123401, "0.000124"),
        (0.999999, "1"),
        (1e-6, "0.000001"),
    ],
)
def test_levers_are_rounded_up_so_that_what_is_said_is_enough(number: float, text: str) -> None:
    assert rounded_up(number) == text
    assert float(text) >= number


def test_clauses_are_joined() -> None:
    assert [enumerated(list("abc")[:n]) for n in range(4)] == ["", "a", "a and b", "a, b and c"]


def test_a_sentence_is_completed_with_its_changes_once() -> None:
    wait = Change(kind="time", value=1.0, text="decide at noon or later")
    silent = Change(kind="context", target="cart", value=[])
    whole = with_changes("It was dropped.", [wait, silent])
    assert whole == "It was dropped; what it would take: decide at noon or later."
    assert with_changes(whole, [wait, silent]) == whole
    assert with_changes("It was dropped.", []) == "It was dropped."
    none = Change(kind="none", text="nothing helps")
    assert with_changes("It was dropped.", [none]) == "It was dropped; nothing helps."
