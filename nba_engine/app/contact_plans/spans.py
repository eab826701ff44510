"""From what is left of a limit's windows to what the periods of a plan may use together.

A contact is planned for a period and carried out at some time in it, so it counts in one of the windows
that the period overlaps. A limit is kept if each contact can be given such a window so that no window
takes more than is left of it. For periods and windows that follow one another this is so if and only if
every run of consecutive periods uses no more than all windows that it overlaps have left (Hall 1935;
earliest period first is how to do it). So day windows in a period of a week add up, a month around four
such periods is shared by them, and a period across two months may use of both, as long as neither month's
other periods lack it.

Two things make it stricter. A window that a period overlaps by less than a tenth (of the shorter one) is
not counted on: a week of 7 × 24 hours is an hour off where clocks change. And where amounts of money
cannot be divided, windows that a run has several of may each stay unfilled by almost one contact.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

__all__ = ["Left", "Span", "spans_of"]

_COUNTED_ON = 0.1


class Left(NamedTuple):
    """A window from ``start`` to before ``end``, and the whole units that are left of it."""

    start: float
    end: float
    units: int


class Span(NamedTuple):
    """The periods from ``first`` to ``last``, which may use so many units together."""

    first: int
    last: int
    units: int


def spans_of(
    periods: Sequence[tuple[float, float]], windows: Sequence[Left], amounts: Sequence[int]
) -> list[Span]:
    """What consecutive periods (start, end) may use of consecutive windows that cover them.

    ``amounts``: the different amounts that contacts take, in whole units. Spans that follow from others
    are left out.
    """
    divisor, largest = math.gcd(*amounts), max(amounts)
    whole = [max(0, window.units) // divisor * divisor for window in windows]
    filled = list(accumulate((max(0, n - (largest - divisor)) for n in whole), initial=0))
    usable = [_usable(start, end, windows) for start, end in periods]
    found: dict[tuple[int, int], Span] = {}
    for first, (low, _) in enumerate(usable):
        for last in range(first, len(periods)):
            if last > first and usable[last][0] > usable[last - 1][1]:
                break  # no window is shared with the period before: both for themselves
            high = usable[last][1]
            units = whole[low] if low == high else filled[high + 1] - filled[low]
            known = found.setdefault((low, high), Span(first, last, units))
            if known.first == first:  # the widest of those with the same windows says it all
                found[low, high] = known._replace(last=last)
    return sorted(found.values())


def _usable(start: float, end: float, windows: Sequence[Left]) -> tuple[int, int]:
    """The first and the last window that a period may count on."""
    shared = [min(end, window.end) - max(start, window.start) for window in windows]
    enough = [
        k
        for k, window in enumerate(windows)
        if shared[k] > 0.0
        and shared[k] >= _COUNTED_ON * min(end - start, window.end - window.start)
    ]
    return enough[0], enough[-1]
