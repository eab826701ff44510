"""Filling slots from a ranking: one pure loop, for decisions and for what-if questions alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import count

import numpy as np

from nba_engine.domain.values import FloatArray, IntArray
from nba_engine.stages.arbitration import Ranking
from nba_engine.stages.slate.drawing import Drawing

__all__ = ["Filled", "Filling"]

# positions of candidates that were chosen → those of them that are refused
Reserve = Callable[[Sequence[int]], set[int]]


class Filled:
    """What became of the candidates that were tried: ``taken``, or why not, by position."""

    __slots__ = ("failed", "full", "refused", "taken", "used")

    def __init__(self) -> None:
        self.taken: list[int] = []
        self.refused: set[int] = set()
        self.full: set[int] = set()  # those of the refused that nobody needed to ask for
        self.failed: set[int] = set()
        self.used: set[int] = set()  # action indices


class Filling:
    """Fills the slots of a request by walking down a ranking.

    ``score``, ``actions`` and ``slot`` (n,) belong to the candidates; ``slots`` says how many each
    placement takes. No action is taken twice. Where ``drawing`` explores, slots are drawn, after
    those of all others: what is tried out is taken from nobody.
    """

    def __init__(
        self,
        ranking: Ranking,
        *,
        score: FloatArray,
        actions: IntArray,
        slot: IntArray,
        slots: Sequence[int],
        drawing: Drawing | None = None,
    ) -> None:
        self._ranking = ranking
        self._score = score
        self._actions = actions
        self._slot = slot
        self._free = list(slots)
        self._drawing = drawing
        if drawing is not None:
            drawing.take_over(self._free)
        self._filled = Filled()

    def fill(
        self,
        render: Callable[[int], bool],
        reserve: Reserve,
        blocked: Callable[[int], bool] | None = None,
    ) -> Filled:
        """Go on until every slot is filled or nothing above 0 is left.

        ``render`` (before anything is reserved) may fail; all that were chosen in a round are
        reserved in one call; a refusal opens the slot for the next best, and the action for its
        other treatments. ``blocked`` says which of these need not be asked for after what was
        refused: one full account must not cost a durable write per candidate that draws on it.
        """
        filled = self._filled
        for turn in count():
            asked = blocked if filled.refused else None
            chosen = self._choose(render, asked)
            if self._drawing is not None:
                accept = partial(self._tried, render=render, blocked=asked)
                chosen += self._drawing.choose(filled.used, turn, accept)
            if not chosen:
                return filled
            refused = reserve(chosen)
            filled.taken.extend(position for position in chosen if position not in refused)
            if not refused:
                return filled
            filled.refused |= refused
            for position in refused:
                place = int(self._slot[position])
                if self._drawing is not None and place in self._drawing:
                    self._drawing.remove(position, place)
                else:
                    self._free[place] += 1
                filled.used.discard(int(self._actions[position]))
        return filled

    def _tried(
        self,
        position: int,
        render: Callable[[int], bool],
        blocked: Callable[[int], bool] | None,
    ) -> bool:
        """Whether a candidate may stand, as far as can be told before it is reserved."""
        if blocked is not None and blocked(position):
            self._filled.refused.add(position)
            self._filled.full.add(position)
        elif not render(position):
            self._filled.failed.add(position)
        else:
            return True
        return False

    def _choose(
        self, render: Callable[[int], bool], blocked: Callable[[int], bool] | None
    ) -> list[int]:
        """Choose for the free slots, best first."""
        filled, free = self._filled, self._free
        score, actions, slot = self._score, self._actions, self._slot
        chosen: list[int] = []
        wanted = sum(free)
        done = filled.refused | filled.failed
        done.update(filled.taken)
        pool: IntArray | None = None
        while wanted:
            # the first few often do; when they do not, there is more in the way
            block = self._ranking.first(wanted) if pool is None else None
            if block is not None:
                bound = score.item(block[-1])
            else:
                best, bound = self._ranking.top(pool, 4 * wanted + 12)
                block = best.tolist()
            for position in block:
                if not score.item(position) > 0.0:
                    return chosen
                place, action = slot.item(position), actions.item(position)
                if not free[place] or action in filled.used or position in done:
                    continue
                if not self._tried(position, render, blocked):
                    continue
                free[place] -= 1
                filled.used.add(action)
                chosen.append(position)
                wanted -= 1
                if not wanted:
                    return chosen
            rest = score < bound
            rest &= score > 0.0
            rest &= np.array(free, dtype=np.intp)[slot] > 0
            rest &= ~np.isin(actions, list(filled.used))
            pool = rest.nonzero()[0]
            if not len(pool):
                return chosen
        return chosen
