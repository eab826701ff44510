"""Clocks that are wrong, on any store.

Three processes share it. Their clocks differ and jump while a daylight saving time ends. The
oracle keeps its own history: what was granted, how it ended, and when by the latest time any of
them had told the store.
"""

from __future__ import annotations

import datetime as dt
import random
import zoneinfo
from collections.abc import Callable
from typing import NamedTuple

from nba_engine.domain import Hold, ReservationRequest, Store, Window
from nba_engine.stages.limits.windows import Calendar
from nba_engine.testing.customers_suite import FOLD, happened

__all__ = ["CLOCKS", "jumping_ahead", "reserve_by_wrong_clocks", "wild"]

ZONE = "America/New_York"
# clocks there go back from 2:00 to 1:00 on 5 November 2017
START = dt.datetime(2017, 11, 4, 22, tzinfo=zoneinfo.ZoneInfo(ZONE)).timestamp()
AMOUNT = 3
WINDOWS = {
    "hour": Window(unit="hour", time_zone=ZONE),
    "day": Window(unit="day", time_zone=ZONE),
    "rolling": Window(unit="rolling", seconds=3_600.0),
}


class Held(NamedTuple):
    """One grant: when it ends unless it is confirmed, and when it was (None: not yet)."""

    name: str
    expires: float
    confirmed: float | None = None


def steady(_: int) -> float:
    return 0.0


def half_a_minute_apart(step: int) -> float:
    return 30.0 * (step % 2)


def jumping_ahead(step: int) -> float:
    return 3_600.0 if 100 <= step < 160 else 0.0


def jumping_back(step: int) -> float:
    return -3_600.0 if 100 <= step < 160 else 0.0


def wild(step: int) -> float:
    return random.Random(step).choice((-3_600.0, -30.0, 0.0, 30.0, 3_600.0))


CLOCKS = (steady, half_a_minute_apart, jumping_ahead, jumping_back, wild)


def reserve_by_wrong_clocks(
    open_one: Callable[[], Store], error: Callable[[int], float], steps: int = 300
) -> None:
    """Three processes reserve and confirm, ``error`` seconds off; fails if a limit is exceeded."""
    stores = [open_one() for _ in range(3)]
    calendars = {name: Calendar(window) for name, window in WINDOWS.items()}
    history: dict[str, list[Held]] = {}
    latest, granted, confirmed = float("-inf"), 0, 0
    draw = random.Random(4)
    for step in range(steps):
        now = START + 120.0 * step + error(step)
        latest = max(latest, now)
        store = stores[step % 3]
        unit = draw.choice(sorted(WINDOWS))
        account = f"{unit}|{calendars[unit].at(now).key}"
        rolls = WINDOWS[unit].seconds
        name = f"r{step}"
        hold = Hold(account=account, limit=unit, amount=1, ceiling=AMOUNT, rolls=rolls)
        request = ReservationRequest(
            reservation_id=name,
            decision_id="d",
            customer_id="c",
            holds=(hold,),
            expires=now + draw.choice((60.0, 900.0)),
        )
        before = counted(history.get(account, []), latest, rolls)
        (answer,) = store.reserve([request], now=now)
        if answer.granted:
            granted += 1
            assert before < AMOUNT, f"step {step}: {before} of {AMOUNT} in {account}, and another"
            history.setdefault(account, []).append(Held(name, request.expires))
        if answer.granted and draw.random() < 0.7:
            item = happened(name, "delivery", time=now, recommendation=name)
            (result,) = stores[draw.randrange(3)].record([item], FOLD, now=now)
            assert result.reservation in {"confirmed", "overrun"}  # late ones are charged, too
            confirmed += 1
            history[account][-1] = Held(name, request.expires, latest)
    for store in stores:
        store.close()
    assert granted > steps // 5
    assert confirmed > steps // 10


def counted(held: list[Held], now: float, rolls: float) -> int:
    """How many of the grants must still count at ``now``."""
    return sum(
        one.expires > now if one.confirmed is None else not rolls or now < one.confirmed + rolls
        for one in held
    )
