from __future__ import annotations

import datetime as dt
import zoneinfo
from typing import Literal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nba_engine.domain import ChannelSpec, QuietHours, Window
from nba_engine.stages.limits.windows import Calendar, QuietClock
from tests.stages.making import catalog

ZONE = zoneinfo.ZoneInfo("America/New_York")
Unit = Literal["hour", "day", "week", "month", "lifetime"]


def at(*moment: int, zone: dt.tzinfo = ZONE) -> float:
    return dt.datetime(*moment, tzinfo=zone).timestamp()  # type: ignore[misc, arg-type]


@pytest.mark.parametrize(
    ("unit", "key", "start", "end"),
    [
        ("hour", "2017-11-08T15:00Z", (2017, 11, 8, 10), (2017, 11, 8, 11)),
        ("day", "2017-11-08", (2017, 11, 8), (2017, 11, 9)),
        ("week", "2017-11-06", (2017, 11, 6), (2017, 11, 13)),
        ("month", "2017-11-01", (2017, 11, 1), (2017, 12, 1)),
    ],
)
def test_windows_are_calendar_windows_of_their_zone(
    unit: Unit, key: str, start: tuple[int, ...], end: tuple[int, ...]
) -> None:
    calendar = Calendar(Window(unit=unit, time_zone="America/New_York"))
    assert calendar.at(at(2017, 11, 8, 10, 59)) == (key, at(*start), at(*end))


def test_a_lifetime_never_ends() -> None:
    period = Calendar(Window(unit="lifetime")).at(0.0)
    assert period == ("lifetime", float("-inf"), float("inf"))


def test_a_window_that_rolls_has_one_name_for_good() -> None:
    calendar = Calendar(Window(unit="rolling", seconds=3600.0))
    assert calendar.at(0.0) == calendar.at(1e9) == ("rolling", float("-inf"), float("inf"))


def test_the_day_of_the_clock_change_has_25_hours() -> None:
    period = Calendar(Window(unit="day", time_zone="America/New_York")).at(at(2017, 11, 5, 12))
    assert period.end - period.start == 25 * 3600


def test_the_hour_that_comes_twice_is_two_windows() -> None:
    calendar = Calendar(Window(unit="hour", time_zone="America/New_York"))
    first = at(2017, 11, 5, 5, 30, zone=dt.UTC)  # 01:30, summer time
    assert calendar.at(first).key != calendar.at(first + 3600.0).key


# clock changes: of an hour in New York, of half an hour on Lord Howe Island, back and forth
CHANGES = [1509861600.0, 1520751600.0, 1617462000.0, 1633188600.0]


@example(times=[1509861599.9999998], unit="hour", zone="America/New_York")  # rounds to the change
@example(times=[1509840000.0 - 2e-7], unit="day", zone="UTC")  # … and this one to midnight
@given(
    times=st.lists(
        st.floats(1.4e9, 1.7e9)
        | st.builds(lambda at, by: at + by, st.sampled_from(CHANGES), st.floats(-9e3, 9e3)),
        min_size=1,
        max_size=8,
    ),
    unit=st.sampled_from(["hour", "day", "week", "month"]),
    zone=st.sampled_from(["UTC", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe"]),
)
def test_every_moment_lies_in_its_window_in_whatever_order_one_asks(
    times: list[float], unit: Unit, zone: str
) -> None:
    calendar = Calendar(Window(unit=unit, time_zone=zone))
    for time in times:
        period = calendar.at(time)
        assert period.start <= time < period.end
        assert Calendar(Window(unit=unit, time_zone=zone)).at(time) == period
        assert calendar.at(period.end).start == period.end
        assert calendar.named(period.key) == period


@pytest.mark.parametrize(
    ("change", "hours"),
    [
        # back by half an hour at 02:00: from 01:00, again from 01:30, from 02:00
        (1617462000.0, [(-3600.0, 0.0), (0.0, 1800.0), (1800.0, 5400.0)]),
        # forth by half an hour at 02:00: from 01:00, from 02:30, from 03:00
        (1633188600.0, [(-3600.0, 0.0), (0.0, 1800.0), (1800.0, 5400.0)]),
    ],
)
def test_a_clock_change_by_half_an_hour_ends_an_hour(
    change: float, hours: list[tuple[float, float]]
) -> None:
    window = Window(unit="hour", time_zone="Australia/Lord_Howe")
    for start, end in hours:
        for inside in (start, start + 0.5, (start + end) / 2, end - 0.5):
            period = Calendar(window).at(change + inside)
            assert (period.start - change, period.end - change) == (start, end)


def sms(start: int, end: int) -> ChannelSpec:
    return ChannelSpec(
        id="sms", name="SMS", direction="outbound", quiet_hours=QuietHours(start=start, end=end)
    )


@example(start=0, end=608, now=1511622421.0)  # in the last minute of the quiet hours
@given(
    start=st.integers(0, 1439),
    end=st.integers(0, 1439),
    now=st.floats(1.509e9, 1.512e9),
)
def test_a_quiet_channel_opens_at_the_first_moment_that_is_not_quiet(
    start: int, end: int, now: float
) -> None:
    clock = QuietClock(catalog())
    channel = sms(start, end)
    opens = clock.opens(channel, now)
    assert opens >= now
    assert not clock.is_quiet(channel, opens)
    if opens > now:
        assert clock.is_quiet(channel, now)
        assert clock.is_quiet(channel, opens - 1.0)


@pytest.mark.parametrize("end", [121, 150, 179])
def test_quiet_hours_that_end_in_the_hour_that_is_left_out_end_within_the_next(end: int) -> None:
    clock = QuietClock(catalog())
    channel = sms(60, end)  # from 01:00 to a time that does not exist on 11 March 2018
    opens = clock.opens(channel, at(2018, 3, 11, 1, 30))
    assert at(2018, 3, 11, 3) <= opens < at(2018, 3, 11, 4)
    assert not clock.is_quiet(channel, opens)


def test_quiet_hours_in_an_hour_that_is_repeated_end_the_second_time_to_the_second() -> None:
    clock = QuietClock(catalog())
    channel = sms(60, 90)  # 01:00 to 01:30, which comes twice on 5 November 2017
    second = dt.datetime(2017, 11, 5, 6, 30, tzinfo=dt.UTC).timestamp()
    assert clock.opens(channel, second - 1730.5) == second
    assert clock.opens(channel, second - 0.5) == second


def test_inbound_channels_are_never_quiet() -> None:
    inbound = ChannelSpec(id="chat", name="Chat", quiet_hours=QuietHours(start=0, end=1439))
    assert not QuietClock(catalog()).is_quiet(inbound, at(2017, 11, 8, 3))
