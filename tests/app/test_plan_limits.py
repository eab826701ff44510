"""A plan within its limits by period can be carried out: no window of any limit is overdrawn."""

from __future__ import annotations

import datetime as dt
import itertools
import math
import random
from collections.abc import Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from nba_engine.app.contact_plans import changed_world
from nba_engine.app.contact_plans.limits import (
    not_planned_with,
    periods_ahead,
    shared_limits,
)
from nba_engine.domain import CatalogView, ContactPlanTerms, IntArray, period_bounds
from nba_engine.engine.contact_plans import PlanContacts
from nba_engine.engine.contact_plans.spans import Left, floors_of
from nba_engine.errors import NbaError
from nba_engine.planning.tables import Changed
from nba_engine.testing import make_catalog
from tests.app.carried_out import carried_out

HOUR, DAY = 3_600.0, 86_400.0
MONDAY = dt.datetime(2017, 11, 6, tzinfo=ZoneInfo("Europe/Berlin")).timestamp()
COSTS = {"letter": 0.7, "call": 4.0, "email": 0.02}
TREATMENTS = "".join(
    f"""
[channels.{channel}]
direction = "outbound"
[placements.{channel}s]
channel = "{channel}"
"""
    for channel in COSTS
) + "".join(
    f"""
[actions.{action}]
campaign = "{campaign}"
value = 1.0
prior = 0.1
"""
    + "".join(
        f'[actions.{action}.treatments.{channel}]\nchannel = "{channel}"\ncost = {cost}\n'
        for channel, cost in COSTS.items()
    )
    for action, campaign in (("milk", "autumn"), ("wine", "winter"))
)
PLAN = '[contact_plan]\nperiod = "7d"\nperiods = 4\nmost_contacts = 3\n'


def shop(limits: str, *, zone: str = "Europe/Berlin") -> CatalogView:
    head = f'[catalog]\ntime_zone = "{zone}"\n[actions.nothing]\nkind = "nothing"\n'
    return make_catalog(head + TREATMENTS + PLAN + limits, base={})


def planned_of(catalog: CatalogView) -> IntArray:
    return np.flatnonzero(~catalog.is_nothing)


def unused(_accounts: Sequence[str]) -> Mapping[str, int]:
    return {}


def window_of(time: float, unit: str, zone: str, begin: float, rolls: float) -> Any:
    """What tells the window of a moment from others, by the calendar itself."""
    local = dt.datetime.fromtimestamp(time, ZoneInfo(zone))
    return {
        "hour": (local.date(), local.hour, local.utcoffset()),
        "day": local.date(),
        "week": local.isocalendar()[:2],
        "month": (local.year, local.month),
        "lifetime": 0,
        "rolling": (time - begin) // rolls if rolls else 0,
    }[unit]


@pytest.mark.parametrize("seed", range(30))
def test_no_window_of_any_limit_is_overdrawn(seed: int) -> None:
    rng = random.Random(seed)
    zone = rng.choice(["Europe/Berlin", "America/New_York", "UTC", "Asia/Kathmandu"])
    unit, rolls = rng.choice(["hour", "day", "week", "month", "lifetime", "rolling"]), 0.0
    window = unit
    if unit == "rolling":
        rolls = rng.choice([1, 3, 7, 10]) * DAY
        window = f"rolling {rolls / DAY:g}d"
    measure = rng.choice(["contacts", "money"])
    scope = rng.choice(["", '"campaign"', '"channel"', '"action", "channel"'])
    amount = rng.choice([1, 3, 8, 20])
    limit = f'[limits.one]\nscope = [{scope}]\nmeasure = "{measure}"\namount = {amount}\nwindow = "{window}"\n'
    catalog = shop(limit, zone=zone)
    # half of them around a change of clocks
    now = 1_509_000_000.0 + rng.choice([0.0, 40 * DAY]) + rng.random() * 7 * DAY
    terms = ContactPlanTerms(
        period=rng.choice([1, 7, 10]) * DAY, periods=rng.randint(1, 4), most_contacts=3
    )
    starts = now - rng.choice([0.0, 0.3]) * terms.period
    periods = periods_ahead(period_bounds(terms, starts, zone), now)
    planned = planned_of(catalog)
    seen: dict[str, int] = {}

    def usage(accounts: Sequence[str]) -> Mapping[str, int]:
        unit_of = 1_000_000 if measure == "money" else 1
        for name in accounts:
            seen.setdefault(name, rng.randint(0, (amount + 1) * unit_of) * rng.randint(0, 1))
        return {name: seen[name] for name in accounts}

    found = shared_limits(catalog, usage, planned, periods).limits
    counts = np.zeros((len(planned), terms.periods), dtype=np.int64)
    for _ in range(300):  # whatever fits
        at = rng.randrange(len(planned)), rng.randrange(terms.periods)
        counts[at] += 1
        if any((one.use * counts).sum() > one.amount for one in found):
            counts[at] -= 1
    begin = periods[0][0]
    hours: dict[Any, list[float]] = {}
    # windows begin and end at full (or three quarters of) hours; the periods anywhere
    step, end = HOUR / 4, periods[-1][1]
    time = begin if unit == "rolling" else begin // step * step
    while time < end:
        hours.setdefault(window_of(time, unit, zone, begin, rolls), []).append(time)
        time += step
    for cell, members in by_cell(catalog, planned, scope).items():
        accounts = sorted(name for name in seen if cell in name)
        assert len(accounts) == (1 if unit in ("lifetime", "rolling") else len(hours)), accounts
        left = []
        for number, times in enumerate(hours.values()):
            full = amount * (1_000_000 if measure == "money" else 1)
            used = seen[accounts[number if len(accounts) > 1 else 0]]
            used = 0 if unit == "rolling" and number else used
            first, last = times[0], times[-1] + step
            if unit in ("month", "week", "day", "lifetime"):
                first, last = whole(unit, times, zone, step)
            left.append((first, last, full - used))
        amounts = [
            [
                round(COSTS[catalog.treatments[planned[m]].channel] * 1_000_000)
                if measure == "money"
                else 1
                for m in members
                for _ in range(counts[m, t])
            ]
            for t in range(terms.periods)
        ]
        assert carried_out(amounts, periods, left), (limit, counts.tolist(), left)


def by_cell(catalog: CatalogView, planned: IntArray, scope: str) -> dict[str, list[int]]:
    """What is counted together, by a part of the names of its accounts."""
    found: dict[str, list[int]] = {}
    for m, at in enumerate(planned.tolist()):
        treatment = catalog.treatments[at]
        action = catalog.actions[catalog.action_index[treatment.action]]
        named = {"campaign": action.campaign, "channel": treatment.channel, "action": action.id}
        words = [word.strip(' "') for word in scope.split(",") if word]
        found.setdefault("".join(f"|{w}={named[w]}" for w in words), []).append(m)
    return found


def whole(unit: str, times: list[float], zone: str, step: float) -> tuple[float, float]:
    """The whole window, of which the plan may only see a part."""
    if unit == "lifetime":
        return -np.inf, np.inf
    first, last = times[0], times[-1]
    key = window_of(first, unit, zone, 0.0, 0.0)
    while window_of(first - step, unit, zone, 0.0, 0.0) == key:
        first -= step
    while window_of(last + step, unit, zone, 0.0, 0.0) == key:
        last += step
    return first, last + step


def floors(
    window: str,
    at_least: int,
    usage: Any = unused,
    *,
    now: float = 0.0,
    more: str = "",
    **terms: Any,
) -> dict[str, int]:
    """The minimums of a plan of four weeks, by name."""
    catalog = shop(
        f'[limits.push]\nmeasure = "contacts"\nat_least = {at_least}\nwindow = "{window}"\n{more}'
    )
    now = now or MONDAY
    of = ContactPlanTerms(**{"period": 7 * DAY, "periods": 4, "most_contacts": 3, **terms})
    periods = periods_ahead(period_bounds(of, now, "Europe/Berlin"), now)
    found = shared_limits(catalog, usage, planned_of(catalog), periods)
    for limit, (first, last) in zip(found.limits, found.spans, strict=True):
        assert limit.floor
        assert (limit.use[:, first : last + 1] == 1).all()
        assert limit.use.sum() == len(planned_of(catalog)) * (last - first + 1)
    assert set(found.cells) <= {"push|at_least"}
    prices = found.prices(np.arange(1.0, 1.0 + len(found.limits)), of.periods)
    assert all(len(row) == of.periods for row in prices.values())
    return {limit.name: limit.amount for limit in found.limits}


def test_minimums_are_reached_by_the_periods_that_their_windows_have() -> None:
    weekly = {f"push, at least, period {number}": 5 for number in (1, 2, 3, 4)}
    assert floors("week", 5) == weekly
    # what was done in this week already counts
    used = {"push|2017-11-06": 3, "push|2017-11-13": 9}
    del weekly["push, at least, period 2"]
    counted = floors("week", 5, lambda names: {n: used[n] for n in names if n in used})
    assert counted == {**weekly, "push, at least, period 1": 2}
    # from a Thursday each week is reached by two periods, and two weeks by three. Of the last one half lies behind
    # the plan: its share of 3 in 7 days
    thursday = floors("week", 7, now=MONDAY + 3 * DAY, periods=2)
    assert thursday == {
        "push, at least, period 1": 7,  # this week: nothing else reaches it
        "push, at least": 7 + 7 + 3,
        "push, at least, period 2": 3,
    }
    # of a month the days of the plan: 6 November to 3 December
    assert floors("month", 250) == {
        "push, at least": 250 + math.floor(250 * 3 / 31),
        "push, at least, period 4": math.floor(250 * 3 / 31),
    }
    assert floors("day", 2) == {f"push, at least, period {n}": 14 for n in (1, 2, 3, 4)}


def test_the_minimum_of_a_lifetime_is_reached_by_the_end_of_the_season() -> None:
    more = 'applies_to = { actions = ["fair"] }\n[actions.fair]\nvalue = 1.0\nprior = 0.1\n'
    more += "starts = 2017-11-13T00:00:00+01:00\nends = ENDS\n"
    more += '[actions.fair.treatments.email]\nchannel = "email"\n'

    def lifetime(ends: str, **terms: Any) -> dict[str, int]:
        catalog = shop(
            '[limits.push]\nmeasure = "contacts"\nat_least = 60\nwindow = "lifetime"\n'
            + more.replace("ENDS", ends)
        )
        of = ContactPlanTerms(**{"period": 7 * DAY, "periods": 4, "most_contacts": 3, **terms})
        periods = periods_ahead(period_bounds(of, MONDAY, "Europe/Berlin"), MONDAY)
        found = shared_limits(catalog, unused, planned_of(catalog), periods)
        return {limit.name: limit.amount for limit in found.limits}

    assert lifetime("2017-11-27T00:00:00+01:00") == {"push, at least, period 2-3": 60}
    assert lifetime("2018-01-08T00:00:00+01:00") == {"push, at least, period 2-4": 60 * 3 // 8}
    assert lifetime("2018-01-08T00:00:00+01:00", periods=1) == {}


@pytest.mark.parametrize("seed", range(40))
def test_what_has_the_minimums_of_its_periods_can_reach_those_of_all_windows(seed: int) -> None:
    """By trying: contacts get windows one by one, and change them along chains, as matchings do."""
    rng = random.Random(seed)
    bounds = [0.0]
    for _ in range(rng.randint(1, 5)):
        bounds.append(bounds[-1] + rng.choice([1.0, 2.0, 3.5]))
    periods = list(itertools.pairwise(bounds))
    edges = [-rng.random()]
    while edges[-1] < bounds[-1]:
        edges.append(edges[-1] + rng.choice([0.8, 1.0, 2.0, 4.0]))
    edges[-1] = bounds[-1]  # the last window ends with the plan
    if edges[-1] - edges[-2] < 0.5:
        del edges[-2]
    windows = [Left(a, b, rng.randint(0, 4)) for a, b in itertools.pairwise(edges)]
    spans = floors_of(periods, windows)
    tight = 0
    for _ in range(40):
        counts = [rng.randint(0, 8) for _ in periods]
        enough = all(sum(counts[one.first : one.last + 1]) >= one.units for one in spans)
        assert enough == reaches(counts, periods, windows), (counts, periods, windows, spans)
        tight += enough
    assert len(spans) == len(set(spans))


def reaches(
    counts: Sequence[int], periods: Sequence[tuple[float, float]], windows: Sequence[Left]
) -> bool:
    """Whether every window can get what it lacks (those that no period may count on lack nothing)."""

    def counts_on(period: tuple[float, float], window: Left) -> bool:
        shared = min(period[1], window.end) - max(period[0], window.start)
        shorter = min(period[1] - period[0], window.end - window.start)
        return shared > 0.0 and shared >= 0.1 * shorter

    of_window = [
        [k for k, period in enumerate(periods) if counts_on(period, window)] for window in windows
    ]
    wanted = [
        of for of, window in zip(of_window, windows, strict=True) for _ in range(window.units)
    ]
    given: dict[tuple[int, int], int] = {}  # a contact of a period → which of those wanted it is

    def place(number: int, tried: set[tuple[int, int]]) -> bool:
        for period in wanted[number]:
            for contact in ((period, n) for n in range(counts[period])):
                if contact not in tried:
                    tried.add(contact)
                    if contact not in given or place(given[contact], tried):
                        given[contact] = number
                        return True
        return False

    return all(place(number, set()) for number in range(len(wanted)) if wanted[number])


def test_limits_per_customer_that_nobody_checks_are_told_of() -> None:
    catalog = shop(
        """
[attributes.most]
type = "int"
[limits.spent]
name = "Spent on each"
scope = ["customer"]
measure = "money"
amount = 0.5
window = "week"
[limits.own]
name = "As each likes"
scope = ["customer"]
measure = "contacts"
amount = "customer.most"
window = "week"
"""
    )
    spec = catalog.contact_plan
    assert spec is not None
    spent, own = not_planned_with(PlanContacts(catalog, spec.terms, starts=MONDAY))
    assert spent.startswith("Spent on each was not checked: ")
    assert own.startswith("As each likes was not checked: ")


def test_prices_of_spans_add_up_by_period() -> None:
    catalog = shop(
        '[limits.letters]\nscope = ["campaign"]\nmeasure = "money"\namount = 10\nwindow = "month"\n'
    )
    spec = catalog.contact_plan
    assert spec is not None
    now = dt.datetime(2017, 11, 20, tzinfo=ZoneInfo("Europe/Berlin")).timestamp()
    found = shared_limits(
        catalog,
        unused,
        planned_of(catalog),
        periods_ahead(period_bounds(spec.terms, now, "Europe/Berlin"), now),
    )
    assert [limit.name for limit in found.limits][:3] == [
        "letters|campaign=autumn, period 1",  # all of it in November
        "letters|campaign=autumn",
        "letters|campaign=autumn, period 3-4",  # all of it in December
    ]
    prices = found.prices(np.array([1.0, 2.0, 4.0, 0.0, 0.0, 8.0]) / 1e6, 4)
    assert prices == {
        "letters|campaign=autumn": pytest.approx((3.0, 2.0, 6.0, 6.0)),
        "letters|campaign=winter": pytest.approx((0.0, 0.0, 8.0, 8.0)),
    }


def test_what_if_knows_the_limits_per_customer_that_plans_know() -> None:
    catalog = shop(
        """
[limits.each]
scope = ["customer"]
measure = "contacts"
amount = 2
window = "month"
[limits.spent]
scope = ["customer"]
measure = "money"
amount = 2
window = "month"
"""
    )
    assert changed_world(catalog, Changed(amounts={"each": 1.0})).catalog.limits[0].amount == 1.0
    with pytest.raises(NbaError, match="'spent' is per customer: of those plans know the ones"):
        changed_world(catalog, Changed(amounts={"spent": 1.0}))
