"""Filling slots from a ranking: one pure loop, for decisions and for what-if questions alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import count

import numpy as np

from nba_engine.domain.bits import is_among
from nba_engine.domain.values import BoolArray, FloatArray, IntArray
from nba_engine.stages.arbitration import Ranking
from nba_engine.stages.slate.drawing import Drawing
from nba_engine.stages.slate.joint import Pool, best_together
from nba_engine.stages.slate.together import Standing, Together

__all__ = ["Filled", "Filling"]

_HAIR = 1e-12  # how much more is more, relative
# positions of candidates that were chosen → those of them that are refused
Reserve = Callable[[Sequence[int]], set[int]]


class Filled:
    """What became of the candidates that were tried: ``taken``, or why not, by position."""

    __slots__ = ("failed", "full", "refused", "standing", "taken", "used")

    def __init__(self, standing: Standing | None) -> None:
        self.standing = standing  # what stands, where there are rules about it
        self.taken: list[int] = []
        self.refused: set[int] = set()
        self.full: set[int] = set()  # those of the refused that nobody needed to ask for
        self.failed: set[int] = set()
        self.used: set[int] = set()  # action indices


class Filling:
    """Fills the slots of a request by walking down a ranking.

    ``score``, ``index``, ``actions`` and ``slot`` (n,) belong to the candidates; ``slots`` says how
    many each placement takes. No action is taken twice, and no rule of ``together`` is broken. What
    the walk finds is the best unless something was in the way of something else: then all free
    slots are looked at together. Where ``drawing`` explores, slots are drawn, after those of all
    others: what is tried out is taken from nobody.
    """

    def __init__(
        self,
        ranking: Ranking,
        *,
        score: FloatArray,
        index: IntArray,
        actions: IntArray,
        slot: IntArray,
        slots: Sequence[int],
        together: Together,
        drawing: Drawing | None = None,
    ) -> None:
        self._ranking = ranking
        self._score = score
        self._index = index
        self._actions = actions
        self._slot = slot
        self._free = list(slots)
        self._together = together
        self._standing = together.standing() if together else None
        self._drawing = drawing
        if drawing is not None:
            drawing.take_over(self._free)
        self._filled = Filled(self._standing)

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
                chosen += self._drawing.choose(filled.used, turn, accept, self._standing)
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
                self._put_back(position)
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

    def _put(self, position: int) -> None:
        self._filled.used.add(self._actions.item(position))
        if self._standing is not None:
            self._standing.add(self._index.item(position), self._slot.item(position))

    def _put_back(self, position: int) -> None:
        self._filled.used.discard(self._actions.item(position))
        if self._standing is not None:
            self._standing.remove(self._index.item(position), self._slot.item(position))

    def _used(self) -> BoolArray:
        """Which candidates are of an action that stands already."""
        return is_among(self._actions, self._filled.used, int(self._actions.max(initial=0)) + 1)

    def _choose(
        self, render: Callable[[int], bool], blocked: Callable[[int], bool] | None
    ) -> list[int]:
        """Choose for the free slots, best first, and together where one is in the way of another."""
        free = self._free.copy()
        chosen, conflict = self._walk(render, blocked)
        if not conflict:
            return chosen
        for position in chosen:
            self._put_back(position)
        better = self._jointly(free, chosen, lambda at: self._tried(at, render, blocked))
        self._free = free
        for position in better:
            self._free[self._slot.item(position)] -= 1
            self._put(position)
        return better

    def _walk(
        self, render: Callable[[int], bool], blocked: Callable[[int], bool] | None
    ) -> tuple[list[int], bool]:
        """The best that fits, one after the other, and whether one was in the way of a better whole."""
        filled, free, standing = self._filled, self._free, self._standing
        score, actions, slot = self._score, self._actions, self._slot
        chosen: list[int] = []
        conflict = False
        places: dict[int, int] = {}  # action → placement, of those chosen here
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
                    return chosen, conflict
                place, action = slot.item(position), actions.item(position)
                if not free[place] or position in done:
                    continue
                if action in filled.used:
                    conflict = conflict or places.get(action, place) != place
                    continue
                if (
                    standing is not None
                    and standing.against(self._index.item(position), place) >= 0
                ):
                    conflict = conflict or bool(chosen)
                    continue
                if not self._tried(position, render, blocked):
                    continue
                free[place] -= 1
                places[action] = place
                self._put(position)
                chosen.append(position)
                wanted -= 1
                if not wanted:
                    return chosen, conflict
            rest = score < bound
            rest &= score > 0.0
            rest &= np.array(free, dtype=np.intp)[slot] > 0
            if conflict or (standing is None and len(free) == 1):  # else a conflict may come up
                rest &= ~self._used()
                if standing is not None:
                    rest &= standing.kept_out(self._index, slot) < 0
            pool = rest.nonzero()[0]
            if not len(pool):
                return chosen, conflict
        return chosen, conflict

    def _jointly(
        self, free: Sequence[int], walked: list[int], tried: Callable[[int], bool]
    ) -> list[int]:
        """The best for all free slots together; what was ``walked`` unless that is worth more."""
        filled, standing = self._filled, self._standing
        fits = self._score > 0.0
        fits &= np.array(free, dtype=np.intp)[self._slot] > 0
        fits &= ~self._used()
        if standing is not None:
            fits &= standing.kept_out(self._index, self._slot) < 0
        fits[list({*filled.taken, *filled.refused, *filled.failed})] = False
        good = set(walked)  # these can be rendered
        least = float(self._score[walked].sum()) * (1.0 + _HAIR)
        while True:
            pool = fits.nonzero()[0]
            index = self._index[pool]
            found = best_together(
                Pool(
                    self._score[pool],
                    index,
                    self._actions[pool],
                    self._slot[pool],
                    self._together.kinds[index],
                ),
                free,
                standing,
            )
            if found is None:
                return walked
            best = pool[found]
            if not float(self._score[best].sum()) > least:
                return walked
            wrong = [at for at in best.tolist() if at not in good and not tried(at)]
            if not wrong:
                return [int(at) for at in self._ranking.sorted(best, self._score[best])]
            good.update(set(best.tolist()).difference(wrong))
            fits[wrong] = False
