"""What servers see of decisions: how many come in which hour, and what contacts are worth.

Both are what prices need before a refresh has learned it from the log: the traffic is the hourly profile of
limits with ``pace = "profile"``, and what a contact earns is the size of a price, where the catalog's
priors and values say little. Each process collects on its own and adds to one progress mark of the
store now and then.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence

import msgspec
import numpy as np

from nba_engine.domain import CatalogView, Deciding, FloatArray, Recommendation, Store
from nba_engine.engine.prices.paced import PacedCell
from nba_engine.engine.prices.traffic import Traffic
from nba_engine.errors import FailedPrecondition
from nba_engine.stages.limits import Accounts, Prices, amount_of

__all__ = ["SEEN", "Seen", "SeenBook", "Watching", "Worth"]

SEEN = "prices.seen"  # the name of the progress mark

_DAYS = 28  # of traffic that are kept
_SHARED = 60.0  # seconds after which a process adds what it has seen
_LATE = 120.0  # after so many all processes have added what they saw in an hour
_HOUR = 3600.0
_ENOUGH = 10.0  # contacts that tell what one is worth
_MANY = 10_000.0  # contacts after which older ones begin to fade
_WAITING = 100_000  # decisions between two looks, at most


class Worth(msgspec.Struct, frozen=True, array_like=True):
    """So many contacts, that used so many units, and were worth so much money."""

    contacts: float = 0.0
    units: float = 0.0
    money: float = 0.0

    def __add__(self, other: Worth) -> Worth:
        fading = 0.5 if self.contacts > _MANY else 1.0
        return Worth(
            fading * self.contacts + other.contacts,
            fading * self.units + other.units,
            fading * self.money + other.money,
        )

    @property
    def per_unit(self) -> float:
        """Money; 0 while they are too few."""
        return self.money / self.units if self.contacts >= _ENOUGH and self.units > 0.0 else 0.0


class Seen(msgspec.Struct, frozen=True):
    """Decisions by the number of their hour since the epoch; what contacts were worth, by cell."""

    hours: dict[int, int] = {}
    worth: dict[str, Worth] = {}

    def plus(self, other: Seen) -> Seen:
        """Both together, as far back as is kept."""
        hours = Counter(self.hours) + Counter(other.hours)
        oldest = max(hours, default=0) - 24 * _DAYS
        worth = {
            name: self.worth.get(name, Worth()) + other.worth.get(name, Worth())
            for name in self.worth.keys() | other.worth.keys()
        }
        return Seen({hour: count for hour, count in hours.items() if hour > oldest}, worth)


class Watching:
    """Takes note of decisions, from any thread; one thread collects what was noted."""

    def __init__(self) -> None:
        self._times: deque[float] = deque(maxlen=_WAITING)
        # and what was charged, where that was not the prices of the moment
        self._shown: deque[tuple[str, float, float | None]] = deque(maxlen=_WAITING)
        self._prices: tuple[CatalogView, Prices] | None = None

    def decided(self, now: float) -> None:
        """A decision was asked for."""
        self._times.append(now)

    def shown(self, deciding: Deciding, recommendations: Iterable[Recommendation]) -> None:
        """So it came out."""
        planned = {deciding.placements[slot].placement: slot for slot in deciding.planned}
        for one in recommendations:
            if one.score > 0.0:
                slot = planned.get(one.placement)
                asked = None
                if slot is not None:  # a contact plan has prices of its own
                    at = deciding.catalog.treatment_index[one.treatment]
                    parts = self._prices_of(deciding.catalog).parts_in(deciding, slot, at)
                    asked = sum(part.total for part in parts)
                self._shown.append((one.treatment, one.score, asked))

    def collect(
        self,
        cells: Sequence[PacedCell],
        prices: Mapping[str, float],
        catalog: CatalogView,
    ) -> Seen:
        """What was noted since the last time, with what prices took off added again.

        ``catalog`` is that of ``cells``. Decisions may have been made by the one before: what this one
        no longer has is left out.
        """
        index_of = catalog.treatment_index
        times = [self._times.popleft() for _ in range(len(self._times))]
        noted = [self._shown.popleft() for _ in range(len(self._shown))]
        shown = [(index_of[name], score, asked) for name, score, asked in noted if name in index_of]
        hours = Counter(int(time // _HOUR) for time in times)
        if not shown:
            return Seen(dict(hours))
        index = np.array([at for at, _, _ in shown], dtype=np.intp)
        worth: FloatArray = np.array([score for _, score, _ in shown])
        planned = np.array([asked is not None for _, _, asked in shown])
        uses = []
        for cell in cells:
            drawn = np.where(cell.cells.cell == cell.cell, cell.cells.amount, 0)[index]
            use: FloatArray = amount_of(cell.limit, 1) * drawn
            uses.append(use)
            added = (-1.0 if cell.floor else 1.0) * prices.get(cell.name, 0.0) * use
            worth += np.where(planned, 0.0, added)
        worth += np.array([asked or 0.0 for _, _, asked in shown])
        found = {}
        for cell, use in zip(cells, uses, strict=True):
            # what a minimum lacks is measured by what everything is worth
            mine = np.ones(len(index), dtype=np.bool_) if cell.floor else use > 0.0
            units = float(mine.sum() if cell.floor else use.sum())
            if mine.any():
                money = float(np.maximum(worth, 0.0)[mine].sum())
                found[cell.name] = Worth(float(mine.sum()), units, money)
        return Seen(dict(hours), found)

    def _prices_of(self, catalog: CatalogView) -> Prices:
        if self._prices is None or self._prices[0] is not catalog:
            self._prices = catalog, Prices(catalog, Accounts(catalog))
        return self._prices[1]


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Seen).decode


class SeenBook(Watching):
    """What all processes of a store have seen, as far as they told, and this one by itself."""

    def __init__(self, store: Store) -> None:
        super().__init__()
        self._store = store
        self._noted = ""
        self._stored = Seen()
        self._own = Seen()  # that the store does not have yet
        self._shared = float("-inf")
        self._profiles: dict[tuple[str, int], tuple[float, ...]] = {}

    def read(self) -> None:
        """Take over what the store has. Raises `Unavailable`."""
        noted = self._store.progress(SEEN) or ""
        if noted != self._noted:
            self._noted, self._stored = noted, _decode(noted)

    def look(
        self,
        cells: Sequence[PacedCell],
        prices: Mapping[str, float],
        now: float,
        *,
        catalog: CatalogView,
    ) -> None:
        """Collect what was noted, and add it to the store once it is time to.

        Raises `Unavailable`, `Exhausted`. When another process adds at the same moment it is this one's
        turn next time.
        """
        self._own = self._own.plus(self.collect(cells, prices, catalog))
        if not self._own.hours or 0.0 <= now - self._shared < _SHARED:
            return
        both = self._stored.plus(self._own)
        after = _encode(both).decode()
        try:
            self._store.bulk(now=now, progress=(SEEN, after), follows=self._noted)
        except FailedPrecondition:
            return
        self._noted, self._stored, self._own, self._shared = after, both, Seen(), now

    def worth(self, name: str) -> float:
        """What a unit of a cell is worth; 0 while too few contacts tell."""
        stored, own = (one.worth.get(name, Worth()) for one in (self._stored, self._own))
        return (stored + own).per_unit

    def profile(self, time_zone: str, now: float) -> tuple[float, ...]:
        """The traffic of the hours that are over; () before there is one.

        The first hour is left out: servers may have been started in the middle of it.
        """
        key = (time_zone, self.hour(now))
        found = self._profiles.get(key)
        if found is None:
            hours = self._stored.plus(self._own).hours
            first = min(hours, default=0)
            counts = {hour: count for hour, count in hours.items() if first < hour < key[1]}
            found = Traffic(counts).profile(time_zone)
            self._profiles = {
                one: known for one, known in self._profiles.items() if one[1] == key[1]
            }
            self._profiles[key] = found
        return found

    @staticmethod
    def hour(now: float) -> int:
        """The hour that is not over yet, as far as all processes have told."""
        return int((now - _LATE) // _HOUR)
