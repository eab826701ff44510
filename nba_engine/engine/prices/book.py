"""The prices of all processes of a store: one mark, moved on by whoever is first.

Prices, and what had been used when they were set, are one progress mark of the store. Every process has
a thread that looks at it; once the mark is old enough, the thread whose turn it is reads the accounts,
steps each price, and moves the mark on from where it was, in one commit. A second one that tried the
same finds it moved, and takes over what is there. So there is one step at a time however many processes
there are, none has to be chosen or watched, and one that is killed leaves a mark that the next one goes
on from. Decisions read no store for it: they take the prices that their process saw last.

While processes are at different catalogs each steps the accounts of its own, and leaves the others'.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from nba_engine.domain import CatalogView, Deciding, Recommendation, Store
from nba_engine.engine.prices.dual import next_price
from nba_engine.engine.prices.paced import PacedCell, paced_cells
from nba_engine.engine.prices.seen import SeenBook
from nba_engine.engine.prices.spending import SpendingPlan
from nba_engine.errors import FailedPrecondition
from nba_engine.stages.limits import amount_of

__all__ = [
    "BONUS",
    "EVERY",
    "HISTORY",
    "MARK",
    "CellPrice",
    "PriceBook",
    "PriceHistory",
    "PriceMark",
]

MARK = "prices"  # the names of the progress marks
HISTORY = "prices.history"
EVERY = 5.0  # seconds between two steps
EARLY = 0.01  # of its window: so much before the end a minimum is to be reached
BONUS = 10.0  # times the size of its scores, at most, is added for a minimum
_AHEAD = 60.0  # by more than that the mark is of a clock that was set back: it begins anew
_KEPT = 35 * 86_400.0  # seconds that the price of an account stays that no catalog steps any more
_TRIES = 10  # to put prices in between two steps


class CellPrice(msgspec.Struct, frozen=True, array_like=True):
    """The price of an account, and what its window had used by then, in whole units.

    ``contacts``: how many were planned since the price began at 0; a price that was learned has seen all.
    ``time``: when it was stepped; 0: when the mark was.
    """

    price: float = 0.0
    used: int = 0
    window: str = ""
    contacts: float = 0.0
    time: float = 0.0


class PriceMark(msgspec.Struct, frozen=True):
    """Prices by the names of their cells, as of a time."""

    time: float = 0.0
    cells: dict[str, CellPrice] = {}


class PriceHistory(msgspec.Struct, frozen=True):
    """What a refresh learned: hourly profiles by limit, and how large prices are, by cell."""

    time: float = 0.0
    profiles: dict[str, tuple[float, ...]] = {}
    scales: dict[str, float] = {}


_encode = msgspec.json.Encoder(order="sorted").encode
_decode_mark = msgspec.json.Decoder(PriceMark).decode
_decode_history = msgspec.json.Decoder(PriceHistory).decode


class PriceBook:
    """The prices as this process knows them. One thread calls `step`; anybody reads ``current``."""

    def __init__(self, store: Store) -> None:
        self.current: Mapping[str, float] = {}  # those above 0; replaced, never changed
        self.mark = PriceMark()
        self.history = PriceHistory()
        self.latest = float("-inf")  # the time of decisions, for stores that are simulated
        self._store = store
        self._noted: dict[str, str] = {}
        self._catalog: CatalogView | None = None
        self._cells: tuple[PacedCell, ...] = ()
        # by limit or cell, window, and the hour of the traffic that they are planned by
        self._plans: dict[tuple[str, str, int], SpendingPlan] = {}
        self.seen = SeenBook(store)

    def at(self, now: float) -> dict[str, float]:
        """The prices for a decision at a time; its own copy."""
        self.latest = max(self.latest, now)
        if self._cells:
            self.seen.decided(now)
        return dict(self.current)

    def shown(self, deciding: Deciding, recommendations: Sequence[Recommendation]) -> None:
        """What came of a decision: what contacts are worth is learned from it."""
        if self._cells:
            self.seen.shown(deciding, recommendations)

    def cells(self, catalog: CatalogView) -> tuple[PacedCell, ...]:
        """The accounts of a catalog that have a price."""
        if catalog is not self._catalog:
            self._cells = paced_cells(catalog)
            self._catalog = catalog
            self._plans.clear()
        return self._cells

    def read(self, catalog: CatalogView) -> None:
        """Take over the prices of the store. Raises `Unavailable`."""
        cells = self.cells(catalog)
        if not cells:
            self.current = {}
            return
        for name in (MARK, HISTORY):
            noted = self._store.progress(name) or ""
            if noted == self._noted.get(name, ""):
                continue
            self._noted[name] = noted
            if name == MARK:
                self.mark = _decode_mark(noted)
            else:
                self.history = _decode_history(noted)
                self._plans.clear()
        self.seen.read()
        self._show()

    def step(self, catalog: CatalogView, now: float) -> None:
        """Take over what others did, or move prices on. Raises `Unavailable`, `Exhausted`."""
        self.read(catalog)
        cells = self.cells(catalog)
        if not cells:
            return
        self.seen.look(cells, self.current, now, catalog=catalog)
        oldest = min(self._stepped(cell.name) for cell in cells)
        if now >= self.mark.time and now - oldest < EVERY:
            return
        if now < self.mark.time and (self._store.simulated or self.mark.time - now < _AHEAD):
            return  # another process's decisions, or clock, are ahead of this one's
        accounts = {cell.name: cell.account(now) for cell in cells}
        usage = self._store.usage(tuple(accounts.values()), now=now)
        moved = {
            cell.name: self._moved(cell, usage.get(accounts[cell.name], 0), now) for cell in cells
        }
        self._note(PriceMark(now, {**self._others(moved, now), **moved}))

    def replace(
        self, catalog: CatalogView, prices: Mapping[str, float], history: PriceHistory
    ) -> None:
        """Put prices and what they were learned with in force, for all processes.

        What had been used when prices were stepped last stays. Raises `Unavailable`, `Exhausted`, and
        `FailedPrecondition` when steps came in between every time.
        """
        encoded = _encode(history).decode()
        all_of = {cell.name: cell.contacts for cell in self.cells(catalog)}
        for last in (False,) * _TRIES + (True,):
            self.read(catalog)
            cells = dict(self.mark.cells)
            for name, price in prices.items():
                known = cells.get(name, CellPrice())
                cells[name] = msgspec.structs.replace(
                    known, price=price, contacts=all_of.get(name, 0.0)
                )
            after = _encode(PriceMark(self.mark.time, cells)).decode()
            try:
                follows = self._noted.get(MARK, "")
                self._store.bulk(now=self.mark.time, progress=(MARK, after), follows=follows)
                break
            except FailedPrecondition:
                if last:
                    raise
        self._store.bulk(now=history.time, progress=(HISTORY, encoded))
        self.read(catalog)

    def plan(self, cell: PacedCell, now: float) -> SpendingPlan:
        """How the amount of a cell's window around ``now`` is to be spent."""
        period, zone = cell.period(now), cell.limit.window.time_zone
        profile: Sequence[float] = ()
        hour = 0
        if cell.limit.pace == "profile":
            profile = self.history.profiles.get(cell.limit.id, ())
            hour = 0 if profile else self.seen.hour(now)  # what was not learned yet is seen
        key = (cell.name if cell.season or cell.floor else cell.limit.id, period.key, hour)
        plan = self._plans.get(key)
        if plan is None:
            plan = SpendingPlan(
                period.start,
                # a minimum is to be there a little early: what is missing at the end is missing
                period.end - (EARLY if cell.floor else 0.0) * (period.end - period.start),
                profile=self.seen.profile(zone, now) if hour else profile,
                time_zone=zone,
            )
            if len(self._plans) > 2 * len(self._cells):  # windows that are over
                self._plans.clear()
            self._plans[key] = plan
        return plan

    def _moved(self, cell: PacedCell, used: int, now: float) -> CellPrice:
        """A price after what was used since the last step of its window."""
        period = cell.period(now)
        before = self.mark.cells.get(cell.name)
        if before is None or not before.window:  # new in the catalog, or only refreshed so far
            before = before or CellPrice()
            return CellPrice(before.price, used, period.key, before.contacts)
        since, already = self._stepped(cell.name), before.used
        if before.window != period.key:  # the price is that of the window before, its use is not
            since, already = period.start, 0
        if not period.start <= since < now:
            return CellPrice(before.price, used, period.key, before.contacts)
        left = cell.amount - amount_of(cell.limit, already)
        plan = self.plan(cell, now)
        planned = plan.ahead(left, since, min(now, plan.end))
        contacts = min(cell.contacts, before.contacts + planned / cell.per_contact)
        price = next_price(
            before.price,
            used=amount_of(cell.limit, used - already),
            planned=planned,
            scale=max(self._scale(cell), before.price),
            per_contact=cell.per_contact,
            contacts=cell.contacts,
            since=contacts,
            floor=cell.floor,
        )
        return CellPrice(min(price, self.most(cell)), used, period.key, contacts)

    def _stepped(self, name: str) -> float:
        """When a price was stepped last; of one that is not there yet: never."""
        known = self.mark.cells.get(name)
        return float("-inf") if known is None else known.time or self.mark.time

    def _others(self, own: Mapping[str, CellPrice], now: float) -> dict[str, CellPrice]:
        """What other catalogs have, as it was, unless none of them is in force any more."""
        return {
            name: msgspec.structs.replace(cell, time=self._stepped(name))
            for name, cell in self.mark.cells.items()
            if name not in own and now - self._stepped(name) < _KEPT
        }

    def most(self, cell: PacedCell) -> float:
        """What a price may be: a bonus has a bound, or what cannot be met would outrank everything."""
        return BONUS * self._scale(cell) if cell.floor else float("inf")

    def _scale(self, cell: PacedCell) -> float:
        learned = self.history.scales.get(cell.name, 0.0)
        return learned or self.seen.worth(cell.name) or cell.scale

    def _note(self, mark: PriceMark) -> None:
        """Move the mark on; if somebody else did, theirs is taken over next time."""
        after = _encode(mark).decode()
        try:
            self._store.bulk(
                now=mark.time, progress=(MARK, after), follows=self._noted.get(MARK, "")
            )
        except FailedPrecondition:
            return
        self._noted[MARK], self.mark = after, mark
        self._show()

    def _show(self) -> None:
        current = {}
        for cell in self._cells:
            one = self.mark.cells.get(cell.name, CellPrice())
            # what was reached needs no bonus; the next window begins with it again
            reached = cell.floor and amount_of(cell.limit, one.used) >= cell.amount
            if one.price > 0.0 and not reached:
                current[cell.name] = one.price
        self.current = current
