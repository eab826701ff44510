"""Slots of placements that explore: drawn one after the other, each over what is left.

Every draw takes a random number of its own. So its probability is exact whatever was removed before
it: by the ledger, by a template that failed, or because its action stands above.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple

import numpy as np

from nba_engine.domain import BoolArray, Deciding, Exploration, FloatArray, IntArray, chances
from nba_engine.stages.slate.together import Standing

__all__ = ["Drawing", "Drawn", "drawing_of"]


class Drawn(NamedTuple):
    """One draw: of a candidate's ``position``, among everything that was left of its ``slot``."""

    slot: int
    position: int
    probability: float
    turn: int
    explored: bool  # something that is worth more was left


class Pool(NamedTuple):
    """What a slot may be drawn from, in the order of treatments: the same in every replay."""

    exploration: Exploration
    positions: IntArray
    score: FloatArray
    actions: IntArray


class Drawing:
    """The draws of one decision.

    ``explorations``: position of the placement in the request → how it explores. ``score``,
    ``actions``, ``index``, ``slot`` and ``nothing`` (n,) belong to the candidates. What is worth
    its contact may be drawn, and *nothing*, which ends the slate of its placement.
    """

    def __init__(
        self,
        explorations: Mapping[int, Exploration],
        random: Callable[[], float],
        *,
        score: FloatArray,
        actions: IntArray,
        index: IntArray,
        slot: IntArray,
        nothing: BoolArray,
    ) -> None:
        self._random = random
        self._nothing = nothing
        self._actions = actions
        self._index = index
        self._pools: dict[int, Pool] = {}
        self._open: dict[int, int] = {}
        self._removed: BoolArray = np.zeros(len(score), dtype=np.bool_)
        self._taken: BoolArray = np.zeros(int(actions.max(initial=0)) + 1, dtype=np.bool_)
        self.draws: list[Drawn] = []
        for place, exploration in explorations.items():
            found = np.flatnonzero((slot == place) & ((score > 0.0) | nothing))
            found = found[index[found].argsort()]
            worth = np.where(nothing[found], 0.0, score[found])
            self._pools[place] = Pool(exploration, found, worth, actions[found])

    def __contains__(self, slot: int) -> bool:
        return slot in self._pools

    def take_over(self, free: list[int]) -> None:
        """Take the slots that are to be drawn out of ``free``, the slots by placement."""
        for place in self._pools:
            self._open[place], free[place] = free[place], 0

    def remove(self, position: int, slot: int) -> None:
        """The ledger refused what was drawn: another is drawn, unless *nothing* ended the slate."""
        self._removed[position] = True
        if not any(drawn.slot == slot and self._nothing[drawn.position] for drawn in self.draws):
            self._open[slot] += 1

    def choose(
        self,
        used: set[int],
        turn: int,
        accept: Callable[[int], bool],
        standing: Standing | None = None,
    ) -> list[int]:
        """Draw for the open slots, placement by placement, from the top; the positions drawn.

        ``used``: actions that stand already; those drawn are added, there and to ``standing``,
        whose rules keep out what must not stand beside them. ``accept`` says whether what was drawn
        may stand; if not, it is removed, and another drawn.
        """
        chosen: list[int] = []
        for place, pool in self._pools.items():
            while self._open[place]:
                drawn = self._draw(place, pool, used, turn, standing)
                if drawn is None:
                    break
                self.draws.append(drawn)
                if self._nothing[drawn.position]:
                    self._open[place] = 0
                elif accept(drawn.position):
                    self._open[place] -= 1
                    used.add(int(self._actions[drawn.position]))
                    if standing is not None:
                        standing.add(self._index.item(drawn.position), place)
                    chosen.append(drawn.position)
                else:
                    self._removed[drawn.position] = True
        return chosen

    def _draw(
        self,
        place: int,
        pool: Pool,
        used: Collection[int],
        turn: int,
        standing: Standing | None,
    ) -> Drawn | None:
        taken = self._taken
        taken[:] = False
        taken[list(used)] = True
        out = taken[pool.actions] | self._removed[pool.positions]
        if standing is not None:
            index = self._index[pool.positions]
            out |= standing.kept_out(index, np.full(len(index), place)) >= 0
        left = np.flatnonzero(~out)
        if not len(left):
            return None
        score = pool.score[left]
        chance = chances(pool.exploration, score)
        # rounding may leave the sum of all a little below 1
        at = min(int(np.searchsorted(chance.cumsum(), self._random(), "right")), len(left) - 1)
        while not chance[at]:  # nobody gets what has no chance
            at -= 1
        return Drawn(
            slot=place,
            position=int(pool.positions[left[at]]),
            probability=float(chance[at]),
            turn=turn,
            explored=bool(score[at] < score.max()),
        )


def drawing_of(
    deciding: Deciding, *, score: FloatArray, actions: IntArray, index: IntArray, slot: IntArray
) -> Drawing | None:
    """The draws of a decision over these candidates; None: no placement of it explores.

    The random numbers are from a stream of their own: whoever else drew changes nothing.
    """
    placements = deciding.catalog.placements
    explorations = {
        place: exploration
        for place, wanted in enumerate(deciding.placements)
        if (exploration := placements[wanted.placement].exploration) is not None
    }
    if not explorations:
        return None
    return Drawing(
        explorations,
        np.random.Generator(np.random.PCG64([deciding.seed, 2])).random,
        score=score,
        actions=actions,
        index=index,
        slot=slot,
        nothing=deciding.catalog.is_nothing[index],
    )
