"""The best choice for all free slots of an answer together, by branch and bound.

Which action goes to which placement is an assignment problem (`match`); rules about what stands
together are left out of it at first. Where its solution breaks one, it is split: without the first
of what is too many, with it but without the second, and so on. The sum of a part is never more than
that of the whole it is split from, so the first solution in order that breaks nothing is the best.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from itertools import count
from typing import NamedTuple

import numpy as np

from nba_engine.domain import FloatArray, IntArray
from nba_engine.stages.slate.matching import match
from nba_engine.stages.slate.together import Standing

__all__ = ["Pool", "best_together"]

_PARTS = 400  # looked at before the search gives up; about 0.1 ms each


class Pool(NamedTuple):
    """Candidates for the free slots, as columns (n,): worth, treatment, action, placement, kind.

    ``kind`` numbers those that are alike for the rules.
    """

    score: FloatArray
    treatment: IntArray
    action: IntArray
    slot: IntArray
    kind: IntArray

    def at(self, positions: IntArray) -> Pool:
        """Those at these positions."""
        return Pool(
            self.score[positions],
            self.treatment[positions],
            self.action[positions],
            self.slot[positions],
            self.kind[positions],
        )


class _Part(NamedTuple):
    """Solutions with all of ``inside`` and none of ``outside``, positions in the pool."""

    inside: tuple[int, ...]
    outside: frozenset[int]


def best_together(pool: Pool, free: Sequence[int], standing: Standing | None) -> list[int] | None:
    """Positions in the pool that fill ``free`` slots per placement with the greatest sum of scores.

    No action twice; no rule of ``standing`` broken, together with what stands already. Candidates
    are worth more than 0 and fit by themselves. None: given up, there are too many ways.
    """
    kept = _worth_a_look(pool, free)
    small = pool.at(kept)
    number = count()
    open_parts: list[tuple[float, int, list[int], _Part]] = []

    def add(part: _Part) -> None:
        chosen = _solve(small, free, part)
        if chosen is not None:
            worth = float(small.score[chosen].sum())
            heapq.heappush(open_parts, (-worth, next(number), chosen, part))

    add(_Part((), frozenset()))
    for _ in range(_PARTS):
        if not open_parts:
            return None
        _, _, chosen, part = heapq.heappop(open_parts)
        too_many = _too_many(small, chosen, standing)
        if not too_many:
            return [int(at) for at in kept[chosen]]
        for smaller in _split(small, part, too_many, standing):
            add(smaller)
    return None


def _worth_a_look(pool: Pool, free: Sequence[int]) -> IntArray:
    """Of each placement and kind the best treatments of as many actions as there are slots.

    No better solution needs another: whatever it had of the kind could be replaced by one of them.
    """
    wanted = sum(free)
    order = np.lexsort((np.arange(len(pool.score)), -pool.score))
    groups: dict[tuple[int, int], set[int]] = {}
    kept = []
    slots, kinds, actions = pool.slot.tolist(), pool.kind.tolist(), pool.action.tolist()
    for at in order.tolist():
        group = groups.setdefault((slots[at], kinds[at]), set())
        if len(group) < wanted and actions[at] not in group:
            group.add(actions[at])
            kept.append(at)
    return np.array(kept, dtype=np.intp)


def _solve(pool: Pool, free: Sequence[int], part: _Part) -> list[int] | None:
    """The best of a part by the rule of one place per action alone; None: there is none."""
    left = list(free)
    used = set()
    for at in part.inside:
        left[pool.slot.item(at)] -= 1
        used.add(pool.action.item(at))
    if min(left) < 0 or len(used) < len(part.inside):
        return None
    rows = [place for place, number in enumerate(left) for _ in range(number)]
    columns: dict[int, int] = {}
    best: dict[tuple[int, int], int] = {}  # the best first: the pool is in the order of scores
    for at, (place, action) in enumerate(
        zip(pool.slot.tolist(), pool.action.tolist(), strict=True)
    ):
        if action not in used and at not in part.outside:
            best.setdefault((place, columns.setdefault(action, len(columns))), at)
    worth = np.full((len(rows), len(columns)), -np.inf)
    for row, place in enumerate(rows):
        for column in range(len(columns)):
            if (place, column) in best:
                worth[row, column] = pool.score.item(best[place, column])
    taken = match(worth).tolist() if rows else []
    chosen = [best[rows[row], column] for row, column in enumerate(taken) if column >= 0]
    return [*part.inside, *chosen]


def _too_many(pool: Pool, chosen: Sequence[int], standing: Standing | None) -> list[int]:
    """Those of the chosen that a broken rule is about, best first; [] when none is broken."""
    if standing is None:
        return []
    now = standing.copy()
    before = len(now)
    for at in chosen:
        now.add(pool.treatment.item(at), pool.slot.item(at))
    return sorted(chosen[place - before] for place in now.broken() if place >= before)


def _split(
    pool: Pool, part: _Part, too_many: Sequence[int], standing: Standing | None
) -> Iterator[_Part]:
    """Parts that together hold every solution of ``part`` that breaks no rule."""
    inside, outside = part
    for at in too_many:
        if at in inside:
            continue
        yield _Part(inside, outside | {at})
        inside = (*inside, at)
        now = standing.copy() if standing is not None else None
        if now is None:
            return
        for one in inside:
            now.add(pool.treatment.item(one), pool.slot.item(one))
        if now.broken():
            return
        # what cannot stand beside these is out at once: this is what keeps the search short
        against = now.kept_out(pool.treatment, pool.slot)
        outside |= set(np.flatnonzero(against >= 0).tolist()) - set(inside)
    return
