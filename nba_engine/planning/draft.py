"""A plan in the making: the best chains at prices, changed until every limit is kept and used."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from nba_engine.domain import Batch
from nba_engine.planning.earlier import Earlier, earlier
from nba_engine.planning.few import Offer, around, choose, offers, one_by_one
from nba_engine.planning.problem import Problem
from nba_engine.planning.resident import At, Edits, Resident, counts_of, planned_usage
from nba_engine.planning.room import Aim, Ask, Changes, alternatives, take_changes

__all__ = ["Draft"]

# how much dearer what is used too much becomes, as shares of what a unit of it earns on average,
# as long as that does not give room enough
_DEARER = (0.002, 0.02, 0.1, 0.3, 1.0, 3.0)
_DEAREST = (0.1, 1.0, 10.0, 100.0, 1000.0)  # for floors that are not met by then
_CHEAPER = (0.98, 0.9, 0.7, 0.4, 0.0)
_ROUNDS = 12
_WORTH_A_ROUND = 1e-6  # of the value: what one more round must have gained
_IDLE = 3  # so many rounds that were not worth it end it
_CHANGES = 200_000  # that come from all partitions together, in a round
_AT_LEAST = 2_000  # of one partition
_PLENTY = 2**62
_FAR = 0.005  # of the bound: with few customers there may be nothing between them


class Draft:
    """Chains at prices, and the changes to them so far.

    The changes are all that the driver holds of customers, and only those that were taken: each
    round tells what they earn and use, so that nothing is summed again before the end.
    """

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
        self._edits: list[Edits | None] = [None] * partitions
        use = problem.use.reshape(len(problem.limits), len(problem.names) * problem.rules.periods)
        # less than this is no room: no contact fits into it
        self._fits = np.where(use > 0, use, _PLENTY).min(axis=1, initial=_PLENTY)
        self._most = max(_CHANGES // max(partitions, 1), _AT_LEAST)
        self.rounds = 0
        self.sum()

    def at(self) -> At:
        """The prices with the changes."""
        return At(prices=self._prices, edits=tuple(self._edits))

    @property
    def room(self) -> NDArray[np.int64]:
        """What is left of each limit; below 0: used too much."""
        return self._problem.amounts - self._problem.used(self.counts)

    @property
    def _full(self) -> NDArray[np.bool_]:
        """Limits that nothing more fits into: what leaves another one has to go elsewhere."""
        full: NDArray[np.bool_] = (self.room < self._fits) & ~self._problem.floors
        return full

    def sum(self) -> None:
        """Sum value and contacts over all customers, in the fixed order."""
        sums, self.counts = self._batch.map_reduce(planned_usage, self.at())
        self.value = float(sums[0])

    def make_room(self, told: Callable[[Aim], None]) -> None:
        """Change where it loses least until no limit is used too much, and every floor is met.

        When both cannot be had, the limits are kept, and floors met as far as was found.
        """
        floors = self._problem.floors
        nothing = np.zeros(len(floors), dtype=np.bool_)
        self._dearer(_DEARER, nothing, told)
        if (self.room < 0)[floors].any():  # floors first, whatever it takes of the others
            self._dearer(_DEAREST, ~floors, told)
        for loose in (nothing, floors):
            for everything in (False, True):
                while (self.room < 0)[~floors].any() and self._round(
                    "make_room", self._prices, ~floors if everything else self._full, told, loose
                ):
                    pass
        if (self.room < 0)[floors].any():
            self._dearer(_DEAREST, nothing, told)

    def use_room(self, told: Callable[[Aim], None], enough: float) -> None:
        """Add where it gains most of what is left, until the plan is worth enough."""
        nothing = np.zeros(len(self._prices), dtype=np.bool_)
        idle = 0
        for number in range(_ROUNDS * len(_CHEAPER)):
            if self.value >= enough or idle == _IDLE:
                return
            before, cheaper = self.value, _CHEAPER[number % len(_CHEAPER)]
            other = np.where(self.room > 0, self._prices * cheaper, self._prices)
            # every other time into what has room alone: at equal prices all want the same
            self._round("use_room", other, self._full if number % 2 else nothing, told)
            idle = 0 if self.value - before > _WORTH_A_ROUND * abs(before) else idle + 1

    def put_together(
        self, prices: NDArray[np.float64], told: Callable[[Aim], None], bound: float
    ) -> None:
        """For few customers: choose among their best chains at many prices (p, k), all at once."""
        self._choose(np.vstack([self._prices[None], prices, around(self._prices)]), told, bound)
        if self.value < bound - _FAR * abs(bound) or (self.room < 0).any():
            dear = max(abs(self.value), abs(bound)) / np.abs(self._problem.amounts).clip(1)
            tried = np.vstack([self._prices[None], prices, one_by_one(self._prices, dear)])
            self._choose(tried, told, bound)

    def _choose(
        self, tried: NDArray[np.float64], told: Callable[[Aim], None], bound: float
    ) -> None:
        changes = list(self._batch.each(offers, Offer(at=self.at(), prices=tried)))
        # where a limit is exceeded, what keeps them all may be worth less by any amount
        gain = bound - self.value if (self.room >= 0).all() else np.inf
        taken = choose(changes, self.room, self._prices, gain)
        self._take(changes, taken, 2)
        self.rounds += 1
        told("use_room")

    def move_earlier(self, told: Callable[[Aim], None]) -> None:
        """Where it costs nothing, contact earlier: what is worth the same is no matter of chance."""
        for _ in range(_ROUNDS):
            changes = list(
                self._batch.each(earlier, Earlier(at=self.at(), room=self.room, most=self._most))
            )
            taken, _ = take_changes(changes, self.room, "use_room")
            if not any(len(places) for places in taken):
                return
            self._take(changes, taken, 2)
            self.rounds += 1
            told("use_room")

    def _dearer(
        self, shares: Sequence[float], loose: NDArray[np.bool_], told: Callable[[Aim], None]
    ) -> None:
        """Make what is exceeded, or not met, dearer and dearer; ``loose`` limits do not count."""
        nothing = np.zeros(len(loose), dtype=np.bool_)
        for dearer in shares:
            over = (self.room < 0) & ~loose
            if not over.any():
                return
            used = np.abs(self._problem.used(self.counts))
            average = max(abs(self.value), 1.0) / np.maximum(
                used, np.abs(self._problem.amounts)
            ).clip(1)
            avoided = over | (self._full & ~loose)
            other = np.where(avoided, self._prices + dearer * average, self._prices)
            self._round("make_room", other, nothing, told, loose)

    def _round(
        self,
        aim: Aim,
        other: NDArray[np.float64],
        forbidden: NDArray[np.bool_],
        told: Callable[[Aim], None],
        loose: NDArray[np.bool_] | None = None,
    ) -> int:
        room = self.room
        if loose is not None:
            room = np.where(loose, _PLENTY, room)
        ask = Ask(
            at=self.at(),
            aim=aim,
            other=other,
            forbidden=forbidden,
            room=room,
            most=self._most,
        )
        changes = list(self._batch.each(alternatives, ask))
        taken, _ = take_changes(changes, room, aim)
        self._take(changes, taken, 1 if aim == "make_room" else 2)
        self.rounds += 1
        told(aim)
        return sum(len(places) for places in taken)

    def _take(
        self, changes: Sequence[Changes], taken: Sequence[NDArray[np.intp]], why: int
    ) -> None:
        problem = self._problem
        for each, places in zip(changes, taken, strict=True):
            if not len(places):
                continue
            self._edits[each.number] = _with(self._edits[each.number], each, places, why)
            self.value += float(each.value[places].sum())
            self.counts = (
                self.counts
                + counts_of(problem, each.contact[places], each.period[places])
                - counts_of(problem, each.was[places], each.was_period[places])
            )


def _with(before: Edits | None, changes: Changes, places: NDArray[np.intp], why: int) -> Edits:
    """The edits with some more; a customer's latest stands."""
    row, contact = changes.row[places], changes.contact[places]
    period, reason = changes.period[places], np.full(len(places), why, dtype=np.int8)
    if before is not None:
        row = np.concatenate([row, before.row])
        contact = np.concatenate([contact, before.contact])
        period = np.concatenate([period, before.period])
        reason = np.concatenate([reason, before.why])
    rows, first = np.unique(row, return_index=True)  # of equal ones the first: the newer
    return Edits(row=rows, contact=contact[first], period=period[first], why=reason[first])
