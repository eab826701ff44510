"""How much the youngest contacts count: as many as of whose outcomes one would know by now.

A contact whose outcome may still come is no failure yet. So it counts by G(age): the share of positive
outcomes that are told by that age. Then positives over contacts is an unbiased rate at any moment
(Vernade, Cappé and Perchet, Stochastic bandit models for delayed conversions, UAI 2017).

G is learned from the same contacts. Long delays are only seen of old ones, so what was told is taken
for what it is, right-truncated: G(d) is the product over all longer delays of 1 - h, with h the share
that a delay has of all that are no longer, among contacts old enough to show it (Lagakos, Barraj and
De Gruttola, Nonparametric analysis of truncated survival data, Biometrika 1988).

Contacts are kept by when they were decided, the youngest finely, older ones in spans of at most a
quarter of their age. To which span one belongs follows from its time and from when something was
recorded last, not from the order in which things became known.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Iterator, Mapping

import msgspec
import numpy as np

from nba_engine.domain import FloatArray, Tally

__all__ = ["Delays", "Span", "Told", "entered", "settled", "told", "waiting", "with_waiting"]

_FINEST = 4096  # spans of the youngest contacts, per time that outcomes may take
_COARSEST = 8  # how often spans double
_AGE = 4.0  # a span is as old as that many of its lengths, or finer
_OVER = 2.0  # times within which outcomes count, after which none is waited for: they are told late
# delays, as parts of that time: twice as long every fourth
_EDGES = (0.0, *(2.0 ** (quarter / 4.0 - 12.0) for quarter in range(53)))
_BINS = len(_EDGES) - 1
_FEW = 10.0  # outcomes that came at once, added: what little is known of delays changes little

Told = dict[str, int]  # number of a delay in the edges → positive outcomes


class Span(msgspec.Struct, frozen=True, array_like=True):
    """Contacts that were decided at about the same time, by action; and the outcomes told of them."""

    contacts: dict[str, int] = {}
    told: Told = {}


class Delays(msgspec.Struct, frozen=True):
    """Outcomes of one kind, which count ``within`` seconds.

    ``open``: contacts that wait, by span (``level:number``); ``told``: outcomes of those that are over.
    """

    within: float
    open: dict[str, Span] = {}
    told: Told = {}


def entered(before: Delays, action: str, decided: float) -> Delays:
    """With a contact more."""
    key = f"0:{math.floor(decided / before.within * _FINEST)}"
    span = before.open.get(key, Span())
    contacts = {**span.contacts, action: span.contacts.get(action, 0) + 1}
    return _with(before, key, Span(contacts, span.told))


def told(before: Delays, decided: float, at: float) -> Delays:
    """With a positive outcome more, which was told at this time."""
    delay = bisect.bisect_left(_EDGES, (at - decided) / before.within) - 1
    if delay >= _BINS:
        return before
    key = f"0:{math.floor(decided / before.within * _FINEST)}"
    span = before.open.get(key, Span())
    return _with(before, key, Span(span.contacts, _sum(span.told, {str(max(delay, 0)): 1})))


def settled(before: Delays, until: float) -> Delays:
    """The same with every contact in its span, as of ``until``; without those that are over."""
    found: dict[str, Span] = {}
    over = before.told
    for key, span in before.open.items():
        level, number = _read(key)
        while level < _COARSEST and _old_enough(before.within, level + 1, number >> 1, until):
            level, number = level + 1, number >> 1
        if until - _end(before.within, level, number) >= _OVER * before.within:
            over = _sum(over, span.told)
            continue
        place = f"{level}:{number}"
        other = found.get(place)
        if other is not None:
            span = Span(_sum(other.contacts, span.contacts), _sum(other.told, span.told))  # noqa: PLW2901
        found[place] = span
    return Delays(before.within, dict(sorted(found.items())), dict(sorted(over.items())))


def waiting(delays: Delays, as_of: float) -> dict[str, float]:
    """By action: how many of its contacts do not count yet."""
    if not delays.open:
        return {}
    arrived = _arrived(delays, as_of)
    found: dict[str, float] = {}
    for key, span in delays.open.items():
        level, number = _read(key)
        half = _length(delays.within, level) / 2.0
        age = (as_of - _end(delays.within, level, number) + half) / delays.within
        share = 1.0 - float(np.interp(age, _EDGES, arrived))
        for action, count in span.contacts.items():
            found[action] = found.get(action, 0.0) + share * count
    return found


def with_waiting(tally: Tally, waits: float) -> Tally:
    """A tally some of whose contacts wait; those that ended well do not."""
    return Tally(
        tally.contacts, tally.positives, min(waits, float(tally.contacts - tally.positives))
    )


def _arrived(delays: Delays, as_of: float) -> FloatArray:
    """G at every edge (bins + 1,); 1 as long as nothing is known of longer delays."""
    seen, shorter = np.zeros(_BINS), np.zeros(_BINS)
    for bins, outcomes in _shown(delays, as_of):
        count = np.zeros(_BINS)
        for delay, number in outcomes.items():
            count[int(delay)] = number
        seen[:bins] += count[:bins]
        shorter[:bins] += np.cumsum(count)[:bins]
    hazard = np.divide(seen, shorter, out=np.zeros(_BINS), where=shorter > 0)
    share = np.append(np.cumprod((1.0 - hazard)[::-1])[::-1], 1.0)
    known = seen.sum()
    return np.asarray((known * share + _FEW) / (known + _FEW), dtype=np.float64)


def _shown(delays: Delays, as_of: float) -> Iterator[tuple[int, Told]]:
    """Outcomes of contacts of about the same age, and how many delays that age shows to the end."""
    if delays.told:
        yield _BINS, delays.told
    for key, span in delays.open.items():
        if span.told:
            age = (as_of - _end(delays.within, *_read(key))) / delays.within
            yield max(0, bisect.bisect_right(_EDGES, age) - 1), span.told


def _with(before: Delays, key: str, span: Span) -> Delays:
    return Delays(before.within, {**before.open, key: span}, before.told)


def _sum(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    return {key: one.get(key, 0) + other.get(key, 0) for key in {**one, **other}}


def _read(key: str) -> tuple[int, int]:
    level, _, number = key.partition(":")
    return int(level), int(number)


def _length(within: float, level: int) -> float:
    return within / _FINEST * 2.0**level


def _end(within: float, level: int, number: int) -> float:
    return (number + 1) * _length(within, level)


def _old_enough(within: float, level: int, number: int, until: float) -> bool:
    return until - _end(within, level, number) >= _AGE * _length(within, level)
