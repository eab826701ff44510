"""Limits as stages see them: the accounts a treatment draws on, and the windows they count in."""

from nba_engine.stages.limits.accounts import (
    CLOSED,
    FLOOR,
    Accounts,
    Draw,
    LimitCells,
    amount_of,
    ceiling_of,
    named_of,
    units_of,
)
from nba_engine.stages.limits.prices import PricePart, Prices
from nba_engine.stages.limits.windows import Calendar, Period, QuietClock, within

__all__ = [
    "CLOSED",
    "FLOOR",
    "Accounts",
    "Calendar",
    "Draw",
    "LimitCells",
    "Period",
    "PricePart",
    "Prices",
    "QuietClock",
    "amount_of",
    "ceiling_of",
    "named_of",
    "units_of",
    "within",
]
