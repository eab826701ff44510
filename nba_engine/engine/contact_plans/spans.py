"""From what is left of a limit's windows to what the periods of a plan may use together.

A contact is planned for a period and carried out at some time in it, so it counts in one of the windows
that the period overlaps. A limit is kept if each contact can be given such a window so that no window
takes more than is left of it. For periods and windows that follow one another this is so if and only if
every run of consecutive periods uses no more than all windows that it overlaps have left (Hall 1935;
earliest period first is how to do it). So day windows in a period of a week add up, a month around four
such periods is shared by them, and a period across two months may use of both, as long as neither month's
other periods lack it.

A minimum is the same from the other side: it is reached in every window if and only if every run of
consecutive windows lacks no more than all periods that overlap it have. Both can be had at once if each of
them can (Mendelsohn and Dulmage 1958).

Two things make it stricter. A window that a period overlaps by less than a tenth (of the shorter one) is
not counted on: a week of 7 × 24 hours is an hour off where clocks change. And where amounts of money
cannot be divided, windows that a run has several of may each stay unfilled by almost one contact.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from itertools import accumulate
from typing import NamedTuple

__all__ = ["Left", "Span", "floors_of", "spans_of"]

_COUNTED_ON = 0.1


class Left(NamedTuple):
    """A window from ``start`` to before ``end``, and the whole units that are left of it, or that it lacks."""

    start: float
    end: float
    units: int


class Span(NamedTuple):
    """The periods from ``first`` to ``last``, which may use, or need, so many units together."""

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
    usable = [_counted_on(start, end, windows) for start, end in periods]
    found: dict[tuple[int, int], Span] = {}
    for first, (low, *_) in enumerate(usable):
        for last in range(first, len(periods)):
            if last > first and usable[last][0] > usable[last - 1][-1]:
                break  # no window is shared with the period before: both for themselves
            high = usable[last][-1]
            units = whole[low] if low == high else filled[high + 1] - filled[low]
            known = found.setdefault((low, high), Span(first, last, units))
            if known.first == first:  # the widest of those with the same windows says it all
                found[low, high] = known._replace(last=last)
    return sorted(found.values())


def floors_of(
    periods: Sequence[tuple[float, float]],
    windows: Sequence[Left],
    closed: Collection[int] = (),
) -> list[Span]:
    """What consecutive periods have to have together, so that no window lacks its units.

    Of a window that goes on behind the last period it is the share of the time until then; what no
    period but ``closed`` ones overlaps lacks nothing. Spans that follow from others are left out.
    """
    usable = [
        set() if number in closed else set(_counted_on(start, end, windows))
        for number, (start, end) in enumerate(periods)
    ]
    begin, end = periods[0][0], periods[-1][1]
    reached: list[tuple[int, int, int]] = []  # of each window: by which periods, and what it lacks
    for at, window in enumerate(windows):
        of = [period for period, counted in enumerate(usable) if at in counted]
        if of:
            reached.append((of[0], of[-1], _until(window, begin, end)))
    follows: dict[tuple[int, int], int] = {}  # what periods have to have; parts come first
    found = []
    for length in range(len(periods)):
        for first in range(len(periods) - length):
            last = first + length
            key = first, last
            most = sum(units for low, high, units in reached if first <= low and high <= last)
            parts = max(
                (follows[first, at] + follows[at + 1, last] for at in range(first, last)), default=0
            )
            follows[key] = max(most, parts)
            if most > parts:
                found.append(Span(first, last, most))
    return sorted(found)


def _until(window: Left, begin: float, end: float) -> int:
    """What a window lacks by the end, if what it lacks at the beginning comes evenly."""
    begin = max(begin, window.start)
    return math.floor(max(0, window.units) * min(1.0, (end - begin) / (window.end - begin)))


def _counted_on(start: float, end: float, windows: Sequence[Left]) -> list[int]:
    """The windows that a period may count on: it overlaps enough of them."""
    shared = [min(end, window.end) - max(start, window.start) for window in windows]
    return [
        k
        for k, window in enumerate(windows)
        if shared[k] > 0.0
        and shared[k] >= _COUNTED_ON * min(end - start, window.end - window.start)
    ]
