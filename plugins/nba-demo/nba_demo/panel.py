"""Households by offers at one moment: what the features, labels and baselines are made of.

Everything is an array over households (H) and offers (A), computed from purchases strictly
before the moment, exactly as the catalog's aggregates would hold it then.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from nba_demo.actions import Offer
from nba_demo.data import DAY, Year
from nba_engine.domain import BoolArray, FloatArray, IntArray

__all__ = ["HORIZON", "RECENT", "TASTE", "Moment", "Panel", "at_moment", "labels", "make_panel"]

HORIZON = 14 * DAY  # a label looks this far ahead
RECENT = 91 * DAY  # "not bought lately" means not within this span
HALF_LIFE = 30 * DAY
TASTE = 180 * DAY  # half-life of what a household likes
VISIT_HALF_LIVES = (14 * DAY, 60 * DAY)


class Panel(msgspec.Struct, frozen=True, kw_only=True):
    """Purchases of offered categories as (cell, time), and visits as (household, time).

    ``cell`` = household * A + offer; both lists are in time order.
    """

    households: int
    offers: int
    cell: IntArray
    time: FloatArray
    basket: IntArray
    visit_household: IntArray
    visit_time: FloatArray

    @property
    def shape(self) -> tuple[int, int]:
        return self.households, self.offers

    def matrix(self, cell: IntArray, weight: FloatArray | None = None) -> FloatArray:
        """Counts (or sums of ``weight``) per household and offer, (H, A)."""
        flat = np.bincount(cell, weight, minlength=self.households * self.offers)
        return np.asarray(flat, np.float64).reshape(self.shape)

    def span(self, start: float, stop: float) -> slice:
        """The purchases with start ≤ time < stop."""
        first, last = np.searchsorted(self.time, (start, stop))
        return slice(int(first), int(last))

    def visits(self, start: float, stop: float) -> slice:
        """The visits with start ≤ time < stop."""
        first, last = np.searchsorted(self.visit_time, (start, stop))
        return slice(int(first), int(last))

    def bought(self, start: float, stop: float) -> BoolArray:
        """Whether a household bought in an offer's category with start ≤ time < stop, (H, A)."""
        flags = np.zeros(self.households * self.offers, np.bool_)
        flags[self.cell[self.span(start, stop)]] = True
        return flags.reshape(self.shape)

    def active(self, start: float, stop: float) -> BoolArray:
        """Whether a household visited with start ≤ time < stop, (H,)."""
        flags = np.zeros(self.households, np.bool_)
        flags[self.visit_household[self.visits(start, stop)]] = True
        return flags


class Moment(msgspec.Struct, frozen=True, kw_only=True):
    """What is known at ``now``. Times are NaN where there was none."""

    now: float
    count: FloatArray  # (H, A) purchases so far
    lately: FloatArray  # (H, A) purchases halved every 30 days
    taken: FloatArray  # (H, A) purchases halved every 180 days
    last: FloatArray  # (H, A) time of the last purchase
    recent: BoolArray  # (H, A) bought within 91 days
    visits: FloatArray  # (H,)
    visits_decayed: tuple[FloatArray, ...]  # (H,) per half-life
    last_visit: FloatArray  # (H,)
    first_visit: FloatArray  # (H,)
    active: BoolArray  # (H,) visited within 91 days


def make_panel(year: Year, offers: Sequence[Offer]) -> Panel:
    """Reduce the year to its purchases of offered categories."""
    position = np.full(len(year.categories), -1, np.intp)
    position[[offer.index for offer in offers]] = np.arange(len(offers))
    offer = position[year.line_category]
    kept = offer >= 0
    basket = year.line_basket[kept]
    return Panel(
        households=len(year.households),
        offers=len(offers),
        cell=year.basket_household[basket] * len(offers) + offer[kept],
        time=year.basket_time[basket],
        basket=basket,
        visit_household=year.basket_household,
        visit_time=year.basket_time,
    )


def at_moment(panel: Panel, now: float) -> Moment:
    """The state of every household just before ``now``."""
    past = panel.span(-np.inf, now)
    cell, time = panel.cell[past], panel.time[past]
    # times rise, so the last assignment to a cell is its last purchase
    last = np.full(panel.households * panel.offers, np.nan)
    last[cell] = time
    last = last.reshape(panel.shape)
    seen = panel.visits(-np.inf, now)
    visitor, visited = panel.visit_household[seen], panel.visit_time[seen]
    last_visit = np.full(panel.households, np.nan)
    last_visit[visitor] = visited
    first_visit = np.full(panel.households, np.nan)
    first_visit[visitor[::-1]] = visited[::-1]
    with np.errstate(invalid="ignore"):
        recent = last >= now - RECENT
        active = last_visit >= now - RECENT
    return Moment(
        now=now,
        count=panel.matrix(cell),
        lately=panel.matrix(cell, np.exp2((time - now) / HALF_LIFE)),
        taken=panel.matrix(cell, np.exp2((time - now) / TASTE)),
        last=last,
        recent=recent,
        visits=np.bincount(visitor, minlength=panel.households).astype(np.float64),
        visits_decayed=tuple(
            np.asarray(
                np.bincount(visitor, np.exp2((visited - now) / life), minlength=panel.households),
                np.float64,
            )
            for life in VISIT_HALF_LIVES
        ),
        last_visit=last_visit,
        first_visit=first_visit,
        active=active,
    )


def labels(panel: Panel, now: float) -> BoolArray:
    """Whether a household buys in an offer's category within 14 days from ``now``, (H, A)."""
    return panel.bought(now, now + HORIZON)
