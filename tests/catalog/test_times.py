from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import pytest

from nba_engine.catalog.times import parse_moment, parse_quiet_hours, seconds
from nba_engine.domain import QuietHours
from nba_engine.settings import Unreadable, parse_duration


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("45s", 45),
        ("30m", 1800),
        ("12h", 43_200),
        ("91d", 91 * 86_400),
        ("2w", 14 * 86_400),
        ("1d12h", 129_600),
        ("1.5h", 5400),
        ("0d", 0),
    ],
)
def test_a_duration_is_numbers_with_units(text: str, expected: float) -> None:
    assert parse_duration(text) == expected


@pytest.mark.parametrize("value", ["", "7", "d", "7 d", "-7d", "7days", "7y", 7, None, ["7d"]])
def test_anything_else_is_no_duration(value: object) -> None:
    with pytest.raises(Unreadable, match="is not a duration"):
        parse_duration(value)


def test_quiet_hours_may_be_toml_times() -> None:
    value = [dt.time(22, 30), "06:00"]
    assert parse_quiet_hours(value) == QuietHours(start=22 * 60 + 30, end=360)


@pytest.mark.parametrize("value", ["21:00", ["21:00", 8], ["21", "08"], ["24:00", "08:00"]])
def test_anything_else_is_no_quiet_hours(value: object) -> None:
    with pytest.raises(Unreadable):
        parse_quiet_hours(value)


def test_days_are_as_long_as_they_are_where_they_are() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    day = parse_moment(dt.date(2024, 3, 31))  # the clocks go forward
    assert seconds(day, berlin, closing=True) - seconds(day, berlin) == 23 * 3600


def test_a_time_of_day_is_exact_whether_it_opens_or_closes() -> None:
    moment = dt.datetime(2024, 5, 1, 9)  # noqa: DTZ001 - local time, as TOML gives it
    utc = ZoneInfo("UTC")
    assert seconds(moment, utc) == seconds(moment, utc, closing=True) == 1_714_554_000


def test_the_last_day_of_all_is_for_ever() -> None:
    assert seconds(dt.date.max, ZoneInfo("Asia/Tokyo"), closing=True) > 250_000_000_000
