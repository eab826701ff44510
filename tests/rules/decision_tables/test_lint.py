"""Warnings about decision tables: overlaps, gaps, cells that miss, rows that nothing needs."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from nba_engine.rules import lint_coverage, lint_decision_table, parse_table
from tests.rules.oracle import SCHEMA

ALWAYS = frozenset(f"customer.{name}" for name in SCHEMA.customer)


def warnings(text: str) -> list[str]:
    schema = msgspec.structs.replace(SCHEMA, always=ALWAYS)
    return [str(each) for each in lint_decision_table(parse_table(text, schema, file="t.csv"))]


def covered(text: str, *categories: str | None) -> list[str]:
    table = parse_table(text, SCHEMA, file="t.csv")
    units: list[tuple[dict[str, Any], dict[str, Any]]] = [
        ({} if category is None else {"category": category}, {"channel": "app"})
        for category in categories
    ]
    return [str(each) for each in lint_coverage(table, units)]


@pytest.mark.parametrize(
    ("rows", "where"),
    [
        ("18..65\n60..70", "customer.age 60..65"),
        ("18..\n..18", "customer.age 18"),
        ('"18..20, 30..40"\n19..33', "customer.age 19..20, 30..33"),
        ("> 5\n!7", "customer.age 6, >= 8"),
        ('"missing, 1"\n"missing, 2"', "customer.age missing"),
    ],
)
def test_rows_that_hold_for_the_same_are_pointed_out(rows: str, where: str) -> None:
    assert warnings(f"customer.age\n{rows}\n") == [
        f"3: overlaps with row 2: both hold for {where} (narrow one of the two, unless it is meant)"
    ]


@pytest.mark.parametrize(
    "text",
    [
        "customer.age\n18..65\n66..70\n",
        "customer.basket\n0..50\n50..100\n",  # they only meet
        "customer.basket\n[0..50)\n50..\n",
        'customer.country\n"DE, AT"\n"!DE, AT"\n',
        "customer.country\nmissing\n!missing\n",
        "customer.vip\ntrue\nfalse\n",
        "customer.last\n..2017-11-05\n2017-11-06..\n",
        "customer.consents\na\nb\n",  # a list with both is meant to fit either
        'customer.consents\n"a, b"\n"!a, b"\n',
        "customer.country,customer.age\nDE,-\n-,18..\n",  # alternatives
        "action.category,customer.age\nwine,18..65\nbeer,16..\n",
    ],
)
def test_rows_that_part_the_values_or_are_alternatives_are_not(text: str) -> None:
    assert warnings(text) == []


def test_where_two_rows_overlap_is_told_for_every_column_that_asks() -> None:
    text = "customer.country,customer.basket,now,customer.vip\n"
    text += 'DE,0..9.5,2017-11-01..2017-11-05,-\n"DE, AT",5..,>= 2017-11-04,true\n'
    assert warnings(text) == [
        (
            "3: overlaps with row 2: both hold for customer.country DE and customer.basket 5..9.5 and "
            "now 2017-11-04..2017-11-05 (narrow one of the two, unless it is meant)"
        )
    ]


@pytest.mark.parametrize(
    ("rows", "line", "outer"),
    [
        ("18..65\n20..30", 3, 2),
        ("20..30\n18..65", 2, 3),
        ("18\n18", 3, 2),
        ('18..65\n"missing, 18..65"', 2, 3),
    ],
)
def test_a_row_within_another_is_told_as_such(rows: str, line: int, outer: int) -> None:
    assert warnings(f"customer.age\n{rows}\n") == [
        (
            f"{line}: says nothing new: row {outer} holds wherever it does "
            "(remove it, or narrow one of the two)"
        )
    ]


@pytest.mark.parametrize("heading", ["customer.consents", "customer.spend"])
def test_a_row_for_a_word_is_not_within_one_without_another(heading: str) -> None:
    # what has a and b fits the first row only
    assert warnings(f"{heading}\na\n!b\n") == [
        (
            f"3: overlaps with row 2: both hold for {heading} a "
            "(narrow one of the two, unless it is meant)"
        )
    ]
    assert warnings(f'{heading}\n!b\n"!a, b"\n') == [
        "3: says nothing new: row 2 holds wherever it does (remove it, or narrow one of the two)"
    ]


def test_many_overlaps_are_counted() -> None:
    found = warnings("customer.age\n" + "".join(f"{n}..{n + 50}\n" for n in range(6)))
    assert len(found) == 6
    assert found[-1] == "7: 10 more overlaps like these"


def test_overlaps_without_end_are_not_counted_to_the_end() -> None:
    found = warnings("customer.age\n" + "".join(f"{n}..{n + 5000}\n" for n in range(999)))
    assert found[-1] == "47: 995 or more overlaps like these"


@pytest.mark.parametrize(
    ("heading", "rows", "told"),
    [
        ("customer.age", "18..65\n70..", "3: customer.age: 66..69 lies between rows 2 and 3,"),
        ("customer.age", "70..\n18..65", "2: customer.age: 66..69 lies between rows 2 and 3,"),
        ("customer.age", "1\n3\n5", "3: customer.age: 2, 4 lies between rows 2 and 3,"),
        ("customer.basket", "0..50\n> 50.5", "3: customer.basket: (50..50.5] lies between"),
        ("customer.basket", "[0..50)\n(50..60]", "3: customer.basket: 50 lies between rows"),
        (
            "customer.last",
            "2017-01-01..2017-01-31\n2017-02-02..",
            "3: customer.last: 2017-02-01 lies between rows 2 and 3,",
        ),
    ],
)
def test_values_between_rows_that_no_row_covers_are_pointed_out(
    heading: str, rows: str, told: str
) -> None:
    (found,) = warnings(f"{heading}\n{rows}\n")
    assert found.startswith(told)
    assert found.endswith(" and in no row (close the gap, unless it is meant)")


def test_a_gap_is_one_whatever_else_the_rows_ask_for() -> None:
    (found,) = warnings("customer.age,customer.vip\n18..65,true\n70..,false\n")
    assert found.startswith("3: customer.age: 66..69 lies between rows 2 and 3, and in no row")


@pytest.mark.parametrize(
    "text",
    [
        'customer.age\n"18..65, 70.."\n75..80\n',  # written so in one cell
        "customer.age\n!18..65\n",
        "customer.age,customer.vip\n18..65,true\n70..,true\n66..69,-\n",  # by a wider row
    ],
)
def test_gaps_that_are_meant_or_closed_elsewhere_are_not(text: str) -> None:
    assert not any("lies between" in each for each in warnings(text))


def test_gaps_are_looked_for_among_rows_that_agree_in_all_other_columns_too() -> None:
    text = "action.category,customer.age\nwine,18..65\nbeer,16..\nwine,70..\n"
    assert warnings(text) == [
        (
            "4: customer.age: 66..69 lies between rows 2 and 4, and in no row that asks for the same "
            "else (close the gap, unless it is meant)"
        )
    ]


def test_a_column_where_no_row_asks_for_anything_is_pointed_out() -> None:
    assert warnings("customer.age,customer.vip\n18,-\n") == [
        "1: customer.vip: no row asks for anything here (remove the column)"
    ]


def test_unlike_a_missing_attribute_is_pointed_out_once_per_cell() -> None:
    table = parse_table(
        'customer.country,context.hour,action.level\n!DE,1,!5\n!DE,2,-\n"missing, !AT",3,-\n',
        SCHEMA,
        file="t.csv",
    )
    assert next(str(each) for each in lint_decision_table(table)) == (
        "2: customer.country: '!DE' does not hold while customer.country is missing "
        "(if missing should do, write missing, !DE)"
    )
    assert sum("is missing" in str(each) for each in lint_decision_table(table)) == 1


def test_what_no_row_is_for_and_rows_for_nothing_are_pointed_out() -> None:
    text = "action.category,customer.age\nwien,18..\nbeer,16..\n"
    assert covered(text, "wine", "beer", "milk", None, "wine") == [
        (
            "1: no row is for action.category 'wine', action.category 'milk', no action.category: "
            "it never holds for these (add a row, or narrow applies_to)"
        ),
        '2: action.category: nothing that the rule is about has wien (did you mean "wine"?)',
    ]
    assert covered(text, "wien", "beer") == []


def test_a_row_for_a_combination_that_there_is_not_is_pointed_out() -> None:
    text = "action.category,treatment.channel\nwine,app\nbeer,email\nbeer,app\n"
    assert covered(text, "wine", "beer") == [
        '3: treatment.channel: nothing that the rule is about has email (did you mean "app"?)'
    ] or covered(text, "wine", "beer") == [
        "3: treatment.channel: nothing that the rule is about has email (values: app)"
    ]


def test_a_table_without_a_word_of_actions_covers_them_all() -> None:
    assert covered("customer.age\n18..\n", "wine") == []
    assert covered("action.category\nwine\n") == []
