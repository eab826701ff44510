"""The days on which a customer bought, and for how much: what models of customer value read.

The state is ``[first day, money on it, money in all, {block: bits}]``. Days count from 1970-01-01,
UTC; a block is 50 days, and a bit of it a day with a purchase: eight numbers a year, however much
is bought, and the union of two histories is a matter of bits. Sums are exact (`domain.sums`), so
that no order of arrival changes a state.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

from nba_engine.domain.sums import exact_sum, rounded

__all__ = [
    "DAY",
    "PurchaseDays",
    "combine_days",
    "day_of",
    "days_cell",
    "days_in",
    "days_until",
    "read_days",
]

DAY = 86_400.0
_BLOCK = 50  # a block's bits are whole in a JSON number
_LAST = 1 << 40  # simulated stores take any time


class PurchaseDays(NamedTuple):
    """What a state says at a moment; times in days.

    ``repeats``: days with a purchase after the first one; ``recency``: from the first to the last
    of them; ``age``: from the first to today; ``mean_amount``: of the repeats, 0.0 without any.
    """

    repeats: int
    recency: int
    age: int
    mean_amount: float


def day_of(time: float) -> int:
    """The day of a time in seconds."""
    return max(-_LAST, min(_LAST, math.floor(time / DAY)))


def days_cell(time: float, amounts: Iterable[float]) -> list[Any]:
    """The state of one purchase."""
    day = day_of(time)
    money: Any = 0.0
    for amount in amounts:
        money = exact_sum(money, amount)
    block, bit = divmod(day, _BLOCK)
    return [day, money, money, {str(block): 1 << bit}]


def combine_days(one: list[Any], other: list[Any]) -> list[Any]:
    """The state of both histories together."""
    first, money, total, blocks = one
    first_too, money_too, total_too, blocks_too = other
    if first_too < first:
        first, money = first_too, money_too
    elif first_too == first:
        money = exact_sum(money, money_too)
    both = dict(blocks)
    for block, bits in dict(blocks_too).items():
        both[block] = both.get(block, 0) | bits
    return [first, money, exact_sum(total, total_too), both]


def read_days(state: list[Any], now: float) -> PurchaseDays:
    """What a state says at ``now``."""
    first, money, total, blocks = state
    if not isinstance(blocks, dict):
        raise TypeError("no state of purchase days")  # of an aggregate that had this name before
    repeats = sum(bits.bit_count() for bits in blocks.values()) - 1
    newest = max(map(int, blocks))
    recency = newest * _BLOCK + blocks[str(newest)].bit_length() - 1 - first
    mean = (rounded(total) - rounded(money)) / repeats if repeats else 0.0
    return PurchaseDays(repeats, recency, max(recency, day_of(now) - first), mean)


def days_until(state: list[Any], now: float) -> list[Any] | None:
    """The state with the days up to that of ``now`` alone; None: there is none among them.

    Sums of money stay those of all days: states do not tell which day they are of.
    """
    first, money, total, blocks = state
    last = day_of(now)
    if first > last:
        return None
    kept: dict[str, int] = {}
    for block, bits in blocks.items():
        shown = last - int(block) * _BLOCK + 1
        seen = bits & ((1 << shown) - 1) if shown > 0 else 0
        if seen:
            kept[block] = seen
    return [first, money, total, kept]


def days_in(state: list[Any], now: float, days: int) -> int:
    """Repeats among the last ``days`` days, today being one of them."""
    first, _, _, blocks = state
    since = max(day_of(now) - days + 1, first + 1)
    found = 0
    for block, bits in blocks.items():
        hidden = since - int(block) * _BLOCK
        if hidden < _BLOCK:
            found += (bits >> max(0, hidden)).bit_count()
    return found
