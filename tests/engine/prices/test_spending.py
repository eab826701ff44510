"""How much is to be spent by when."""

from __future__ import annotations

import datetime as dt
import math
from zoneinfo import ZoneInfo

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from nba_engine.engine.prices import HOURS, SpendingPlan, hour_of_week

MONDAY = dt.datetime(2017, 11, 6, tzinfo=dt.UTC).timestamp()
DAY = 86_400.0
profiles = st.integers(0, 99).map(
    lambda seed: np.random.default_rng(seed).pareto(0.5, HOURS).tolist()
)


def test_even_spending_grows_with_time() -> None:
    plan = SpendingPlan(MONDAY, MONDAY + DAY)
    assert plan.share(MONDAY) == 0.0
    assert math.isclose(plan.share(MONDAY + DAY / 4), 0.25)
    assert plan.share(MONDAY + DAY) == 1.0


def test_a_profile_puts_the_money_where_the_traffic_is() -> None:
    profile = [0.0] * HOURS
    profile[10] = profile[11] = 7.0  # Monday, from ten to noon
    plan = SpendingPlan(MONDAY, MONDAY + DAY, profile=profile)
    assert plan.share(MONDAY + 10 * 3600) < 0.03
    # half of it between ten and eleven, but for the little that every hour gets
    ten = plan.share(MONDAY + 11 * 3600) - plan.share(MONDAY + 10 * 3600)
    assert 0.45 < ten < 0.5


def test_hours_are_those_of_the_limits_time_zone() -> None:
    moment = dt.datetime(2017, 11, 6, 23, 30, tzinfo=ZoneInfo("America/New_York")).timestamp()
    assert hour_of_week(moment, "America/New_York") == 23
    assert hour_of_week(moment, "UTC") == 24 + 4


def test_a_day_on_which_the_clock_goes_back_has_25_hours() -> None:
    zone = ZoneInfo("Europe/Berlin")
    start = dt.datetime(2017, 10, 29, tzinfo=zone).timestamp()
    end = dt.datetime(2017, 10, 30, tzinfo=zone).timestamp()
    plan = SpendingPlan(start, end, profile=[1.0] * HOURS, time_zone="Europe/Berlin")
    assert math.isclose(plan.share(start + 3600), 1 / 25)


def test_what_is_left_is_planned_anew() -> None:
    plan = SpendingPlan(MONDAY, MONDAY + DAY)
    noon = MONDAY + DAY / 2
    assert math.isclose(plan.ahead(100.0, noon, noon + DAY / 4), 50.0)
    assert plan.ahead(-5.0, noon, noon + DAY / 4) == 0.0  # an overhang leaves nothing to spend
    assert plan.ahead(3.0, MONDAY + DAY, MONDAY + DAY) == 3.0


@settings(max_examples=25)
@given(profiles, st.floats(0.0, 3600.0), st.lists(st.floats(0.0, 1.0), min_size=2, max_size=6))
def test_shares_only_grow_from_nothing_to_all(
    profile: list[float], offset: float, parts: list[float]
) -> None:
    start, end = MONDAY + offset, MONDAY + offset + 1.5 * DAY
    plan = SpendingPlan(start, end, profile=profile)
    shares = [plan.share(start + part * (end - start)) for part in sorted(parts)]
    assert shares == sorted(shares)
    assert plan.share(start - 1.0) == 0.0
    assert math.isclose(plan.share(end), 1.0)


@settings(max_examples=25)
@given(profiles, st.lists(st.floats(0.01, 0.99), min_size=1, max_size=5))
def test_what_lies_ahead_adds_up_to_what_is_left(profile: list[float], parts: list[float]) -> None:
    plan = SpendingPlan(MONDAY, MONDAY + DAY, profile=profile)
    left, at = 1000.0, MONDAY
    for until in [*(MONDAY + part * DAY for part in sorted(parts)), MONDAY + DAY]:
        left -= plan.ahead(left, at, until)
        at = until
    assert abs(left) < 1e-6
