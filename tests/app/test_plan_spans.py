"""Windows of limits and periods of plans: what spans allow can be carried out, and nothing else is refused."""

from __future__ import annotations

import random

import pytest

from nba_engine.engine.contact_plans.spans import Left, Span, spans_of
from tests.app.carried_out import carried_out

DAY = 86_400.0


def drawn(rng: random.Random) -> tuple[list[tuple[float, float]], list[Left]]:
    """Periods of one length, and windows that cover them, of whole days."""
    length = rng.choice([1, 2, 7])
    periods = [(k * length * DAY, (k + 1) * length * DAY) for k in range(rng.randint(1, 4))]
    windows, end = [], -rng.randint(0, 5) * DAY
    while end < periods[-1][1]:
        start, end = end, end + rng.choice([1, 1, 2, 7, 9]) * DAY
        if end > 0.0:
            windows.append(Left(start, end, rng.randint(-1, 6)))
    return periods, windows


def within(planned: list[list[int]], spans: list[Span]) -> bool:
    return all(sum(map(sum, planned[one.first : one.last + 1])) <= one.units for one in spans)


@pytest.mark.parametrize("seed", range(6))
def test_contacts_within_the_spans_are_exactly_those_that_can_be_carried_out(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(20):
        periods, windows = drawn(rng)
        spans = spans_of(periods, windows, [1])
        for _ in range(15):
            planned = [[1] * rng.randint(0, 8) for _ in periods]
            assert within(planned, spans) == carried_out(planned, periods, windows), planned


@pytest.mark.parametrize("seed", range(6))
def test_amounts_of_money_within_the_spans_can_be_carried_out(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(20):
        periods, windows = drawn(rng)
        windows = [one._replace(units=100 * one.units + rng.randint(0, 99)) for one in windows]
        amounts = rng.sample([30, 70, 110, 250], rng.randint(1, 3))
        spans = spans_of(periods, windows, amounts)
        for _ in range(15):
            planned = [[rng.choice(amounts) for _ in range(rng.randint(0, 6))] for _ in periods]
            while not within(planned, spans):
                rng.choice([one for one in planned if one]).pop()
            assert carried_out(planned, periods, windows), planned


def test_windows_that_are_periods_are_a_span_each() -> None:
    weeks = [(0.0, 7 * DAY), (7 * DAY, 14 * DAY)]
    assert spans_of(weeks, [Left(*weeks[0], 5), Left(*weeks[1], 8)], [1]) == [
        Span(0, 0, 5),
        Span(1, 1, 8),
    ]


def test_days_of_a_week_add_up() -> None:
    days = [Left(k * DAY, (k + 1) * DAY, 10 + k) for k in range(7)]
    assert spans_of([(0.0, 7 * DAY)], days, [1]) == [Span(0, 0, 7 * 10 + 21)]


def test_money_that_cannot_be_divided_may_leave_a_rest_in_each_day() -> None:
    days = [Left(k * DAY, (k + 1) * DAY, 100) for k in range(7)]
    # one contact of 70 each day, and never ten because the days come to 700
    assert spans_of([(0.0, 7 * DAY)], days, [70]) == [Span(0, 0, 7 * 70)]
    # after one of 20 there is no room for one of 90
    assert spans_of([(0.0, 7 * DAY)], days, [20, 90]) == [Span(0, 0, 7 * 20)]
    # but a single day can be used up
    assert spans_of([(0.0, DAY)], days[:1], [20, 90]) == [Span(0, 0, 100)]


def test_an_hour_of_another_week_is_not_counted_on() -> None:
    clocks_changed = 3_600.0
    weeks = [(0.0, 7 * DAY), (7 * DAY, 14 * DAY)]
    windows = [Left(0.0, 7 * DAY + clocks_changed, 5), Left(7 * DAY + clocks_changed, 15 * DAY, 8)]
    assert spans_of(weeks, windows, [1]) == [Span(0, 0, 5), Span(1, 1, 8)]


def test_a_window_that_is_overdrawn_leaves_nothing() -> None:
    assert spans_of([(0.0, DAY)], [Left(0.0, DAY, -3)], [1]) == [Span(0, 0, 0)]
