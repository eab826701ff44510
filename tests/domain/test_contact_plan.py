from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import msgspec

from nba_engine.domain import (
    ContactPlanTerms,
    CustomerPlan,
    PlanMark,
    PlannedContact,
    decode_customer_plan,
    decode_plan_mark,
    encode_customer_plan,
    encode_plan_mark,
    period_bounds,
)

MARK = PlanMark(
    id="p1",
    made=90.0,
    starts=100.0,
    catalog_version="c1",
    terms=ContactPlanTerms(period=10.0, periods=3, most_contacts=2, placements=("letter",)),
    prices={"letters": (0.5, 0.25, 0.0)},
)


def test_a_time_lies_in_one_period_or_in_none() -> None:
    times = (99.9, 100.0, 109.9, 110.0, 129.9, 130.0)

    assert [MARK.period_of(time) for time in times] == [None, 0, 0, 1, 2, None]
    assert MARK.times_of(1) == (110.0, 120.0)
    assert MARK.prices_of(1) == {"letters": 0.25}


def test_plans_are_read_as_they_were_written() -> None:
    contact = PlannedContact(
        period=0,
        starts=100.0,
        ends=110.0,
        action="milk",
        treatment="milk.letter",
        channel="post",
        value=1.5,
        cost=0.7,
        reason="best_at_prices",
    )
    plan = CustomerPlan(plan="p1", made=90.0, newest=7, contacts=(contact,))

    assert decode_customer_plan(encode_customer_plan(plan)) == plan
    assert decode_plan_mark(encode_plan_mark(MARK)) == MARK


def test_what_is_no_plan_is_told_from_one() -> None:
    assert decode_customer_plan("soon") is None
    assert decode_customer_plan(12) is None
    assert decode_plan_mark("") is None


def test_periods_of_whole_days_begin_at_midnight_also_when_clocks_change() -> None:
    zone = ZoneInfo("Europe/Berlin")
    terms = ContactPlanTerms(period=7 * 86_400.0, periods=3, most_contacts=2)
    for first in (dt.datetime(2026, 10, 19, tzinfo=zone), dt.datetime(2026, 3, 23, tzinfo=zone)):
        mondays = [first + dt.timedelta(days=7 * k) for k in range(4)]
        bounds = period_bounds(terms, first.timestamp(), "Europe/Berlin")
        assert bounds == tuple(monday.timestamp() for monday in mondays)
        mark = msgspec.structs.replace(MARK, starts=bounds[0], terms=terms, bounds=bounds)
        assert mark.period_of(mondays[1].timestamp() - 1.0) == 0
        assert mark.period_of(mondays[1].timestamp()) == 1
        assert mark.times_of(2) == (bounds[2], bounds[3])
        assert mark.ends == mondays[3].timestamp()
    hours = ContactPlanTerms(period=3600.0, periods=2, most_contacts=2)
    assert period_bounds(hours, 10.0, "Europe/Berlin") == (10.0, 3610.0, 7210.0)


def test_a_mark_from_before_bounds_were_noted_has_periods_of_equal_length() -> None:
    text = encode_plan_mark(MARK).replace('"bounds":[],', "")
    assert "bounds" not in text
    mark = decode_plan_mark(text)
    assert mark is not None
    assert mark.times == (100.0, 110.0, 120.0, 130.0)
