"""Gaps between purchases of one category by one customer, each with what was known before it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from nba_engine.domain.fitted import DAY
from nba_engine.domain.values import BoolArray, FloatArray, IntArray
from nba_engine.learning.affinity import Events

__all__ = ["SHORTEST", "Gaps", "gaps_of"]

SHORTEST = 0.25  # days; two purchases on one day are no cycle


class Gaps(NamedTuple):
    """One element per gap, (n,): whose and of which word; days; the purchase it starts with (seconds).

    ``number`` of earlier gaps and the days they add up to, ``total``. ``open``: not ended yet.
    """

    customer: IntArray
    word: IntArray
    days: FloatArray
    start: FloatArray
    number: FloatArray
    total: FloatArray
    open: BoolArray

    def where(self, mask: BoolArray) -> Gaps:
        """Some of them."""
        return self.at(np.flatnonzero(mask))

    def at(self, places: IntArray) -> Gaps:
        """Those at some places."""
        return Gaps(
            self.customer[places],
            self.word[places],
            self.days[places],
            self.start[places],
            self.number[places],
            self.total[places],
            self.open[places],
        )


def gaps_of(events: Events, until: float) -> Gaps:
    """Gaps between purchases before ``until`` (seconds), and those still open then."""
    early = events.time < until
    customer, word, time = events.customer[early], events.word[early], events.time[early]
    order = np.lexsort((time, word, customer))
    customer, word, time = customer[order], word[order], time[order]
    if not len(time):
        none, nothing = np.empty(0, dtype=np.intp), np.empty(0)
        return Gaps(none, none, nothing, nothing, nothing, nothing, np.empty(0, dtype=np.bool_))
    same = np.append((customer[1:] == customer[:-1]) & (word[1:] == word[:-1]), False)
    first = np.append(True, ~same[:-1])
    place = np.maximum.accumulate(np.where(first, np.arange(len(time)), 0))
    ends = np.where(same, np.append(time[1:], until), until)
    return Gaps(
        customer,
        word,
        np.maximum((ends - time) / DAY, SHORTEST),
        time,
        (np.arange(len(time)) - place).astype(np.float64),
        (time - time[place]) / DAY,
        ~same,
    )
