"""Decision tables as rules: what they hold for, what they compile to, how they are explained."""

from __future__ import annotations

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

from nba_engine.rules import CompiledTable, Unit, apply_changes, compile_table, parse_table
from tests.rules.oracle import DAY, SCHEMA
from tests.rules.random_rules import NOW

DRINKS = """\
name,action.category,customer.age,days_since(customer.last),customer.country
Wine,wine,18..65,> 30,"DE, AT"
Beer,"beer, cider",>= 16,-,missing
Old wine,wine,> 80,-,-
"""


def compiled(text: str, *actions: dict[str, Any]) -> CompiledTable:
    """One unit per action, each under the table."""
    table = parse_table(text, SCHEMA, file="tables/drinks.csv")
    return compile_table(
        Unit(action=action, treatment={}, rules=(("drinks", table),)) for action in actions
    )


def holds(text: str, customer: dict[str, Any], **action: Any) -> bool:
    return compiled(text, action).failing(customer, {}, NOW) == 0


def test_any_row_may_hold_and_every_cell_of_it_must() -> None:
    recent, long_ago = NOW - DAY, NOW - 40 * DAY
    wine = {"category": "wine"}
    assert holds(DRINKS, {"age": 20, "last": long_ago, "country": "AT"}, **wine)
    assert not holds(DRINKS, {"age": 20, "last": recent, "country": "AT"}, **wine)
    assert holds(DRINKS, {"age": 81}, **wine)
    assert holds(DRINKS, {"age": 16}, category="cider")
    assert not holds(DRINKS, {"age": 81}, category="milk")
    assert not holds(DRINKS, {"age": 81})


def test_where_an_action_leaves_one_row_everything_is_looked_up() -> None:
    kinds = [{"category": kind} for kind in ("beer", "cider", "milk")] * 20
    table = compiled(DRINKS, *kinds)
    assert table.unindexed == 0
    assert table.failing({"age": 16}, {}, NOW) == sum(0b100 << 3 * i for i in range(20))


def test_several_rows_over_several_columns_are_looked_up_too() -> None:
    table = compiled(DRINKS, {"category": "wine"})
    assert table.unindexed == 0


@pytest.mark.parametrize(
    ("cell", "inside", "outside"),
    [
        ("2017-11-05", "2017-11-05T23:59:59", "2017-11-06T00:00:00"),
        ("2017-11-04..2017-11-05", "2017-11-05T23:59:59", "2017-11-03T23:59:59"),
        ("> 2017-11-05", "2017-11-06T00:00:00", "2017-11-05T23:59:59"),
        ("<= 2017-11-05", "2017-11-05T23:59:59", "2017-11-06T00:00:00"),
        ("2017-11-05T09:00:00..", "2017-11-05T09:00:00", "2017-11-05T08:59:59"),
        ("!2017-11-05", "2017-11-06T00:00:00", "2017-11-05T00:00:00"),
    ],
)
def test_a_bare_date_is_the_whole_local_day_also_when_clocks_change(
    cell: str, inside: str, outside: str
) -> None:
    zone = "America/New_York"  # 2017-11-05 has 25 hours there
    schema = msgspec.structs.replace(SCHEMA, time_zone=zone)
    table = parse_table(f"customer.last\n{cell}\n", schema, file="t.csv")
    unit = compile_table([Unit(action={}, treatment={}, rules=(("t", table),))])
    for text, failing in ((inside, 0), (outside, 1)):
        moment = dt.datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()
        assert unit.failing({"last": moment}, {}, NOW) == failing, text


def test_semicolons_blank_lines_a_mark_and_columns_for_people_do_no_harm() -> None:
    text = '\ufeffdescription;customer.country;name\r\n\r\nwhy; DE, AT ;x\r\n;;\r\n"a;b";!FR;\r\n'
    assert holds(text.replace("why", '"why"'), {"country": "AT"})
    assert not holds(text, {"country": "FR"})


def test_a_failed_cell_is_named_with_row_and_column() -> None:
    table = compiled(DRINKS, {"category": "beer"}, {"category": "milk"})
    first, second = table.explain(0, {"age": 15, "country": "DE"}, {}, NOW)
    assert first.text == "customer.age >= 16 (tables/drinks.csv:3 “Beer”)"
    assert (first.status, first.saw) == ("false", {"customer.age": 15})
    assert [change.text for change in first.changes] == [
        "customer.age would have to be 16 (it is 15)"
    ]
    assert second.text == "customer.country missing (tables/drinks.csv:3 “Beer”)"
    assert [change.text for change in second.changes] == [
        "customer.country would have to be absent (it is “DE”)"
    ]
    (nothing,) = table.explain(1, {"age": 15}, {}, NOW)
    assert nothing.text == "a row for its action.category (tables/drinks.csv)"
    assert (nothing.status, nothing.saw, nothing.changes) == (
        "false",
        {"action.category": "milk"},
        (),
    )


def test_of_several_rows_the_change_that_changes_least_is_proposed() -> None:
    table = compiled(DRINKS, {"category": "wine"})
    customer = {"age": 70, "last": NOW}
    (failed,) = table.explain(0, customer, {}, NOW)
    assert failed.text == (
        "customer.age 18..65 and days_since(customer.last) > 30 and customer.country DE, AT "
        "(tables/drinks.csv:2 “Wine”), or customer.age > 80 (tables/drinks.csv:4 “Old wine”)"
    )
    assert [change.text for change in failed.changes] == [
        "customer.age would have to be 81 (it is 70)"
    ]
    changed = apply_changes(failed.changes, customer, {}, NOW)
    assert table.failing(*changed) == 0


def test_one_change_serves_both_ends_of_a_range() -> None:
    table = compiled("customer.age,customer.vip\n18..65,true\n", {})
    age, vip = table.explain(0, {"vip": False}, {}, NOW)
    assert [change.value for change in age.changes] == [18]
    assert vip.text == "customer.vip true (tables/drinks.csv:2)"
    (age,) = table.explain(0, {"vip": True, "age": 66}, {}, NOW)
    assert [change.value for change in age.changes] == [65]


def test_what_all_rows_ask_for_is_told_once() -> None:
    text = "customer.vip,customer.age\n" + "".join(f"true,{age}\n" for age in range(10, 60, 5))
    vip, age = compiled(text, {}).explain(0, {"vip": False, "age": 11}, {}, NOW)
    assert vip.text == "customer.vip true (tables/drinks.csv:2, 3, 4, 5, …, 11)"
    assert age.text == (
        "customer.age 10 (tables/drinks.csv:2), or customer.age 15 (tables/drinks.csv:3), "
        "or customer.age 20 (tables/drinks.csv:4), or customer.age 25 (tables/drinks.csv:5), "
        "or one of 6 more rows"
    )


def test_a_row_that_asks_for_a_part_of_another_makes_the_rest_of_that_one_pointless() -> None:
    text = "customer.age,customer.vip\n18..,-\n18..,true\n"
    assert holds(text, {"age": 18})
    (failed,) = compiled(text, {}).explain(0, {"age": 17}, {}, NOW)
    assert failed.text == "customer.age 18.. (tables/drinks.csv:2, 3)"


def test_sensitive_values_stay_hidden() -> None:
    schema = msgspec.structs.replace(SCHEMA, sensitive=frozenset({"customer.age"}))
    table = parse_table("customer.age\n18..65\n", schema, file="t.csv")
    unit = compile_table([Unit(action={}, treatment={}, rules=(("t", table),))])
    (failed,) = unit.explain(0, {"age": 17}, {}, NOW)
    assert failed.saw == {"customer.age": "(sensitive)"}
    assert "17" not in failed.changes[0].text
