"""Did households buy what was recommended? Against baselines that chose among the same survivors.

For each decision the log tells which candidates were left after rules, consents and limits. From
these (less what was bought too recently, as the engine does) a baseline takes as many category
offers per placement as the engine did, by the same arithmetic lever * propensity * value - cost
with its own propensity. A hit is a purchase in the category within 14 days of the decision.

Only decisions before 2017-12-18 count: later labels are cut off by the end of the data.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import msgspec
import numpy as np

from nba_demo.actions import Offer
from nba_demo.baselines import GammaPoisson
from nba_demo.catalog_files import ASKED
from nba_demo.data import DAY, Year, local
from nba_demo.features import CYCLE, Popularity
from nba_demo.panel import HORIZON, Panel
from nba_demo.replay import Replayed
from nba_engine.domain import BoolArray, CatalogView, DecisionLog, FloatArray, IntArray
from nba_engine.domain.fitted import ReorderPrior, wait_of
from nba_engine.engine import candidates_of
from nba_engine.errors import NotFound

__all__ = ["CHOOSERS", "LAST_LABEL", "Chosen", "Hits", "count_hits"]

LAST_LABEL = local(2017, 12, 18)
CHOOSERS = ("engine", "model, money aside", "own frequency", "popularity")
# the slot where only what was not bought within 91 days is eligible
_NEW = list(ASKED).index("app_discover")
_SLOT = {name: at for at, name in enumerate(ASKED)}


class Chosen(msgspec.Struct, kw_only=True):
    """What one chooser's category offers came to; ``new``: not bought within 91 days."""

    offers: int = 0
    hits: int = 0
    new_offers: int = 0
    new_hits: int = 0
    value_of_hits: float = 0.0  # assumed margin of the hits

    @property
    def share(self) -> float:
        """Hits per offer."""
        return self.hits / self.offers if self.offers else 0.0

    @property
    def new_share(self) -> float:
        """Hits per offer of something new."""
        return self.new_hits / self.new_offers if self.new_offers else 0.0


class Hits(msgspec.Struct, frozen=True, kw_only=True):
    """Figures per chooser; ``mismatches`` counts decisions whose survivors were not reproduced."""

    decisions: int
    choosers: dict[str, Chosen]
    mismatches: int


def count_hits(
    year: Year,
    panel: Panel,
    offers: Sequence[Offer],
    replayed: Sequence[Replayed],
    *,
    catalog: CatalogView,
    log: DecisionLog,
    popularity: Popularity,
    frequency: GammaPoisson,
    tick: Callable[[int], None] = lambda _: None,
) -> Hits:
    """Count hits of the engine and of the baselines over the labelled decisions."""
    history = _History(year, panel, offers, catalog)
    layout = _Layout(catalog, offers)
    choosers = {name: Chosen() for name in CHOOSERS}
    decisions = mismatches = 0
    for one in replayed:
        tick(1)
        household = history.advance(one.basket)
        if one.time >= LAST_LABEL:
            continue
        record = log.read(one.decision_id)
        if record is None:
            raise NotFound(f"decision {one.decision_id} is not on record")
        known = candidates_of(record)
        scored = np.isfinite(known.propensity)
        kept = scored & ~history.blocked(household, one.time)[layout.action_of[known.index]]
        dropped = sum(n for key, n in one.dropped.items() if key.startswith("cross_sell/"))
        mismatches += int(scored.sum() - kept.sum()) != dropped
        index = known.index[kept]
        survivors = _Survivors(layout, index, known.slot[kept], known.propensity[kept], one)
        bought = history.bought_within(household, one.time)
        own = frequency.after(history.count(household), history.days(household, one.time))
        picks = {
            "engine": survivors.shown,
            "model, money aside": survivors.choose(survivors.propensity, money=False),
            "own frequency": survivors.choose(layout.spread(own)[survivors.index]),
            "popularity": survivors.choose(
                np.where(
                    survivors.slot == _NEW,
                    layout.spread(popularity.new_buyers)[survivors.index],
                    layout.spread(popularity.of_all)[survivors.index],
                )
            ),
        }
        for name, offered in picks.items():
            _tally(choosers[name], *offered, bought, layout.values)
        decisions += 1
    return Hits(decisions=decisions, choosers=choosers, mismatches=mismatches)


def _tally(
    chosen: Chosen, offered: IntArray, slot: IntArray, bought: BoolArray, values: FloatArray
) -> None:
    hit, new = bought[offered], slot == _NEW
    chosen.offers += len(offered)
    chosen.hits += int(hit.sum())
    chosen.new_offers += int(new.sum())
    chosen.new_hits += int((hit & new).sum())
    chosen.value_of_hits += float(values[offered][hit].sum())


class _Layout:
    """Which treatment is about which offer."""

    def __init__(self, catalog: CatalogView, offers: Sequence[Offer]) -> None:
        place = {offer.id: at for at, offer in enumerate(offers)}
        of_action = np.array([place.get(action.id, -1) for action in catalog.actions], np.intp)
        self.offer_of: IntArray = of_action[catalog.action_of]  # (T,), -1: no category offer
        self.action_of = catalog.action_of
        self.gain = catalog.lever * np.array(
            [
                float(value) if isinstance(value := catalog.actions[a].value, int | float) else 0.0
                for a in catalog.action_of.tolist()
            ]
        )
        self.cost = catalog.cost
        self.position = place
        self.values = np.array(
            [float(_number(catalog.actions[catalog.action_index[o.id]].value)) for o in offers]
        )

    def spread(self, of_offer: FloatArray) -> FloatArray:
        """Per treatment, from per offer; 0 where there is no category."""
        return np.append(of_offer, 0.0)[self.offer_of]


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


class _Survivors:
    """The category offers left in one decision after rules, limits and recent purchases."""

    def __init__(
        self, layout: _Layout, index: IntArray, slot: IntArray, p: FloatArray, one: Replayed
    ) -> None:
        about = layout.offer_of[index] >= 0
        self.index, self.slot, self.propensity = index[about], slot[about], p[about]
        self._layout = layout
        shown = [s for s in one.shown if s.action in layout.position]
        self.shown = (
            np.array([layout.position[s.action] for s in shown], np.intp),
            np.array([_SLOT[s.placement] for s in shown], np.intp),
        )
        self._wanted = Counter(self.shown[1].tolist())

    def choose(self, propensity: FloatArray, *, money: bool = True) -> tuple[IntArray, IntArray]:
        """As many offers per slot as the engine showed, best first, no offer twice; their slots."""
        layout, left = self._layout, dict(self._wanted)
        score = propensity
        if money:
            score = propensity * layout.gain[self.index] - layout.cost[self.index]
        offered = layout.offer_of[self.index]
        chosen: dict[int, int] = {}
        for at in np.argsort(-score, kind="stable").tolist():
            slot, offer = int(self.slot[at]), int(offered[at])
            if left.get(slot, 0) and offer not in chosen:
                chosen[offer] = slot
                left[slot] -= 1
                if not any(left.values()):
                    break
        return np.array(list(chosen), np.intp), np.array(list(chosen.values()), np.intp)


class _History:
    """Every household's purchases before the decision at hand; advances in time order."""

    def __init__(
        self, year: Year, panel: Panel, offers: Sequence[Offer], catalog: CatalogView
    ) -> None:
        self._year, self._panel = year, panel
        self._count = np.zeros(panel.shape)
        self._last = np.full(panel.shape, -np.inf)
        self._began = np.full(panel.shape, np.inf)  # the first purchase in a category
        self._first = np.full(panel.households, np.nan)
        self._next = 0
        self._line = 0
        cells = np.argsort(panel.cell, kind="stable")
        self._times = panel.time[cells]  # by cell, each in time order
        self._bounds = np.searchsorted(
            panel.cell[cells], np.arange(panel.households * panel.offers + 1)
        )
        self._windows = self._blocking(offers, catalog)
        self._longest = max((w for one in self._windows.values() for _, w in one), default=0.0)
        self._cycles, self._used_up = _cycles(offers, catalog)
        self._action = np.array([catalog.action_index[offer.id] for offer in offers], np.intp)
        self._actions = len(catalog.actions)

    def _blocking(
        self, offers: Sequence[Offer], catalog: CatalogView
    ) -> Mapping[int, list[tuple[int, float]]]:
        """Offer → offers it keeps back when bought, with the seconds for which it does."""
        place = {offer.id: at for at, offer in enumerate(offers)}
        windows: dict[int, list[tuple[int, float]]] = {}
        for action in catalog.actions:
            if action.id not in place:
                continue
            at = place[action.id]
            if not action.reorder:
                windows.setdefault(at, []).append((at, action.owned_for))
            for other in action.substitutes:
                owned = catalog.actions[catalog.action_index[other]].owned_for
                windows.setdefault(at, []).append((place[other], action.owned_for))
                windows.setdefault(place[other], []).append((at, owned))
        return windows

    def advance(self, basket: int) -> int:
        """Take in every basket before this one; the household of this one."""
        year, panel = self._year, self._panel
        stop = int(np.searchsorted(panel.basket, basket))
        if stop > self._line:
            cell, time = panel.cell[self._line : stop], panel.time[self._line : stop]
            np.add.at(self._count.reshape(-1), cell, 1.0)
            self._last.reshape(-1)[cell] = time
            np.minimum.at(self._began.reshape(-1), cell, time)
            self._line = stop
        if basket > self._next:
            seen = year.basket_household[self._next : basket][::-1]
            fresh = np.isnan(self._first[seen])
            self._first[seen[fresh]] = year.basket_time[self._next : basket][::-1][fresh]
            self._next = basket
        return int(year.basket_household[basket])

    def count(self, household: int) -> FloatArray:
        """Purchases per offer, (A,)."""
        row: FloatArray = self._count[household]
        return row

    def days(self, household: int, now: float) -> float:
        """Days since the first visit, at least one."""
        first = self._first[household]
        return 1.0 if np.isnan(first) else max((now - float(first)) / DAY, 1.0)

    def blocked(self, household: int, now: float) -> BoolArray:
        """What a recent purchase keeps back, by action index."""
        blocked = np.zeros(self._actions, np.bool_)
        age = now - self._last[household]
        for at in np.flatnonzero(age < self._longest).tolist():
            for other, window in self._windows.get(at, ()):
                if age[at] < window:
                    blocked[self._action[other]] = True
        for at, (category, owned_for) in self._used_up.items():
            if np.isfinite(age[at]) and age[at] < self._wait(household, at, category, owned_for):
                blocked[self._action[at]] = True
        return blocked

    def _wait(self, household: int, at: int, category: str, owned_for: float) -> float:
        """Seconds after its last purchase until a household needs a category again."""
        if self._cycles is None:
            return owned_for
        known = (self._began[household, at], self._last[household, at], self._count[household, at])
        wait = wait_of(self._cycles, category, (known[0], known[1], int(known[2])))
        return owned_for if wait is None else wait.offered * DAY

    def bought_within(self, household: int, now: float) -> BoolArray:
        """Bought from ``now`` on within 14 days, (A,)."""
        width = self._panel.offers
        bounds = self._bounds[household * width : (household + 1) * width + 1]
        start, stop = int(bounds[0]), int(bounds[-1])
        inside = (self._times[start:stop] >= now) & (self._times[start:stop] < now + HORIZON)
        before = np.concatenate(([0], np.cumsum(inside)))
        flags: BoolArray = np.diff(before[bounds - start]) > 0
        return flags


def _cycles(
    offers: Sequence[Offer], catalog: CatalogView
) -> tuple[ReorderPrior | None, dict[int, tuple[str, float]]]:
    """The fitted cycles, and by offer what waits for them: category, and the window without one."""
    spec = catalog.aggregates.get(CYCLE.name)
    prior = None if spec is None else spec.prior
    waiting = {}
    for at, offer in enumerate(offers):
        action = catalog.actions[catalog.action_index[offer.id]]
        if action.reorder:
            waiting[at] = (offer.category, action.owned_for)
    return (prior if isinstance(prior, ReorderPrior) else None), waiting
