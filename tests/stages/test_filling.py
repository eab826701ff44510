from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from nba_engine.stages.arbitration.ranking import Ranking, tie_keys
from nba_engine.stages.slate.filling import Filled, Filling
from nba_engine.stages.slate.together import Together
from tests.stages.making import catalog


def brute_force(
    order: Sequence[int],
    actions: Sequence[int],
    slot: Sequence[int],
    slots: Sequence[int],
    broken: set[int],
    budget: int,
) -> list[int]:
    """The same, as one would do it by hand: rounds of a full walk over a full ranking."""
    taken: list[int] = []
    out: set[int] = set()
    while True:
        free = [count - sum(slot[t] == at for t in taken) for at, count in enumerate(slots)]
        used = {actions[t] for t in taken}
        chosen = []
        for position in order:
            if position in out or position in taken:
                continue
            if not free[slot[position]] or actions[position] in used:
                continue
            if position in broken:
                out.add(position)
                continue
            free[slot[position]] -= 1
            used.add(actions[position])
            chosen.append(position)
        refused = [p for p in chosen if p % 3 == 0][max(0, budget) :]
        budget -= sum(p % 3 == 0 for p in chosen) - len(refused)
        taken += [p for p in chosen if p not in refused]
        out.update(refused)
        if not refused:
            return taken


@settings(max_examples=300, deadline=None)
@given(
    size=st.integers(1, 120),
    places=st.integers(1, 3),
    seed=st.integers(0, 10_000),
    budget=st.integers(0, 3),
    distinct=st.integers(1, 50),
)
def test_the_lazy_walk_chooses_what_a_full_walk_would(
    size: int, places: int, seed: int, budget: int, distinct: int
) -> None:
    draw = np.random.default_rng(seed)
    score = draw.integers(0, distinct + 1, size) / 4.0  # many ties, and some zeros
    index = draw.integers(0, size, size)
    slot = draw.integers(0, places, size)
    # no action in two placements: then nothing is in the way of anything, and the walk is the best
    actions = draw.integers(0, max(1, size // 3), size) * places + slot
    slots = [int(n) for n in draw.integers(1, 4, places)]
    broken = {int(n) for n in draw.integers(0, size, size // 4)}
    keys = tie_keys(seed, size)
    left = budget

    def reserve(chosen: Sequence[int]) -> set[int]:
        nonlocal left
        asked = [p for p in chosen if p % 3 == 0]
        granted = asked[:left]
        left -= len(granted)
        return set(asked) - set(granted)

    filled: Filled = Filling(
        Ranking(score, index, slot, lambda: keys),
        score=score,
        index=index,
        actions=actions,
        slot=slot,
        slots=slots,
        together=Together(catalog()),
    ).fill(lambda position: position not in broken, reserve)

    order = [p for p in np.lexsort((slot, keys[index], -score)).tolist() if score[p] > 0]
    expected = brute_force(order, actions.tolist(), slot.tolist(), slots, broken, budget)
    assert sorted(filled.taken) == sorted(expected)


@settings(max_examples=200, deadline=None)
@given(size=st.integers(1, 60), places=st.integers(2, 4), seed=st.integers(0, 10_000))
def test_placements_are_filled_for_the_greatest_sum_of_all_together(
    size: int, places: int, seed: int
) -> None:
    draw = np.random.default_rng(seed)
    score = draw.random(size) - 0.1
    actions = draw.integers(0, max(1, size // 4), size)
    slot = draw.integers(0, places, size)
    slots = [int(n) for n in draw.integers(1, 4, places)]
    broken = {int(n) for n in draw.integers(0, size, size // 8)}
    index = np.arange(size)
    filled = Filling(
        Ranking(score, index, slot, lambda: tie_keys(seed, size)),
        score=score,
        index=np.zeros(size, dtype=np.intp),
        actions=actions,
        slot=slot,
        slots=slots,
        together=Together(catalog()),
    ).fill(lambda position: position not in broken, lambda _: set())

    rows = [place for place, count in enumerate(slots) for _ in range(count)]
    worth = np.zeros((len(rows), int(actions.max()) + 1))
    for position in range(size):
        if position not in broken:
            for row, place in enumerate(rows):
                if place == slot[position]:
                    best = max(worth[row, actions[position]], score[position])
                    worth[row, actions[position]] = best
    best = worth[linear_sum_assignment(-worth)].sum()
    assert abs(score[filled.taken].sum() - best) < 1e-9
    assert len({actions[at] for at in filled.taken}) == len(filled.taken)
    assert not broken & set(filled.taken)
    for place, count in enumerate(slots):
        assert sum(slot[at] == place for at in filled.taken) <= count
