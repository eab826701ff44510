"""A plan for all customers: prices, room made, room used, and how far it can be from the best."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import numpy as np
from numpy.typing import NDArray

from nba_engine.domain import Batch
from nba_engine.planning.cuts import Search
from nba_engine.planning.prices import prices_of, search_prices
from nba_engine.planning.problem import Problem
from nba_engine.planning.resident import At, Edits, Resident, planned_usage
from nba_engine.planning.room import Aim, Ask, Changes, alternatives, take_changes
from nba_engine.planning.steps import PlanOptions, Step, Tell

__all__ = ["Plan", "make_plan"]

# how much dearer what is used too much becomes, as shares of what a unit of it earns on average,
# as long as that does not give room enough
_DEARER = (0.002, 0.02, 0.1, 0.3, 1.0, 3.0)
_CHEAPER = (0.98, 0.9, 0.7, 0.4, 0.0)
_ROUNDS = 12
_WORTH_A_ROUND = 1e-6  # of the value: what one more round must have gained


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What was found. ``counts`` (contacts, periods); ``used`` (k,) is within the limits' amounts.

    ``at`` holds the prices of the limits per unit (k,) and the changes; with it a worker knows the
    chain of each of its customers. ``bound``: no plan can be worth more.
    """

    at: At
    value: float
    bound: float
    counts: NDArray[np.int64]
    used: NDArray[np.int64]
    passes: int

    @property
    def gap(self) -> float:
        """(bound - value) / bound."""
        return (self.bound - self.value) / self.bound if self.bound > 0.0 else 0.0


def make_plan(
    batch: Batch[Resident],
    problem: Problem,
    customers: int,
    options: PlanOptions | None = None,
    *,
    partitions: int,
    begun: Search | None = None,
    keep: Callable[[Search], object] = lambda _: None,
    tell: Tell = lambda _: None,
) -> Plan:
    """Plan all customers of a batch; see `search_prices` for ``begun`` and ``keep``."""
    options = options or PlanOptions()
    search = search_prices(batch, problem, customers, options, begun=begun, keep=keep, tell=tell)
    bound = search.bound
    draft = _Draft(batch, problem, prices_of(problem, search), partitions)

    def told(phase: Aim) -> None:
        # as long as a limit is exceeded it is no plan, and what the passes promise stays the value
        value = draft.value if (draft.room >= 0).all() else search.mixture
        tell(Step(phase=phase, number=draft.rounds, value=value, bound=bound))

    draft.make_room(told)
    draft.use_room(told)
    return Plan(
        at=draft.at(),
        value=draft.value,
        bound=bound,
        counts=draft.counts,
        used=problem.used(draft.counts),
        passes=len(search.cuts),
    )


class _Draft:
    """A plan in the making: chains at prices, and the changes to them so far."""

    def __init__(
        self,
        batch: Batch[Resident],
        problem: Problem,
        prices: NDArray[np.float64],
        partitions: int,
    ) -> None:
        self._batch = batch
        self._problem = problem
        self._prices = prices
        self._edits: list[dict[int, tuple[NDArray[np.int16], NDArray[np.int8], int]]] = [
            {} for _ in range(partitions)
        ]
        self.rounds = 0
        self._sum()

    def at(self) -> At:
        return At(prices=self._prices, edits=tuple(_edits(one) for one in self._edits))

    @property
    def room(self) -> NDArray[np.int64]:
        return self._problem.amounts - self._problem.used(self.counts)

    def make_room(self, told: Callable[[Aim], None]) -> None:
        """Take away where it loses least until no limit is used too much."""
        nothing = np.zeros(len(self._prices), dtype=np.bool_)
        for dearer in _DEARER:
            over = self.room < 0
            if not over.any():
                return
            average = self.value / np.maximum(self._problem.used(self.counts), 1)
            other = np.where(over, self._prices + dearer * average, self._prices)
            self._round("make_room", other, nothing, told)
        for forbidden in (self.room < 0, self._problem.amounts >= 0):
            while (self.room < 0).any() and self._round("make_room", self._prices, forbidden, told):
                pass

    def use_room(self, told: Callable[[Aim], None]) -> None:
        """Add where it gains most of what is left."""
        nothing = np.zeros(len(self._prices), dtype=np.bool_)
        for _ in range(_ROUNDS):
            before = self.value
            for cheaper in _CHEAPER:
                other = np.where(self.room > 0, self._prices * cheaper, self._prices)
                self._round("use_room", other, nothing, told)
            if self.value - before <= _WORTH_A_ROUND * before:
                return

    def _round(
        self,
        aim: Aim,
        other: NDArray[np.float64],
        forbidden: NDArray[np.bool_],
        told: Callable[[Aim], None],
    ) -> int:
        ask = Ask(
            at=self.at(),
            aim=aim,
            other=other,
            forbidden=forbidden,
            room=self.room,
            most=20_000,
        )
        changes = list(self._batch.each(alternatives, ask))
        taken, _ = take_changes(changes, self.room, ask.aim)
        for which, place in taken:
            self._take(changes[which], place, 1 if aim == "make_room" else 2)
        self._sum()
        self.rounds += 1
        told(aim)
        return len(taken)

    def _take(self, changes: Changes, place: int, why: int) -> None:
        row = int(changes.row[place])
        self._edits[changes.number][row] = (
            changes.contact[place],
            changes.period[place],
            why,
        )

    def _sum(self) -> None:
        sums, self.counts = self._batch.map_reduce(planned_usage, self.at())
        self.value = float(sums[0])


def _edits(
    of_rows: dict[int, tuple[NDArray[np.int16], NDArray[np.int8], int]],
) -> Edits | None:
    if not of_rows:
        return None
    rows = sorted(of_rows)
    return Edits(
        row=np.array(rows, dtype=np.int64),
        contact=np.array([of_rows[row][0] for row in rows], dtype=np.int16),
        period=np.array([of_rows[row][1] for row in rows], dtype=np.int8),
        why=np.array([of_rows[row][2] for row in rows], dtype=np.int8),
    )
