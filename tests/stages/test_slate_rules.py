from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from nba_engine.domain import CatalogView
from nba_engine.stages.arbitration import Ranking, tie_keys
from nba_engine.stages.slate.filling import Filling
from nba_engine.stages.slate.matching import _held_by_arrays, _held_by_lists, match
from nba_engine.stages.slate.together import Together
from tests.stages.making import catalog

ACTIONS = 8
GROUPS = ("dairy", "drinks", "bakery")


def shop(rules: str) -> CatalogView:
    """Eight actions in three groups, each with a treatment for two placements, and some rules."""
    actions = "".join(
        f'[actions.a{n}]\ngroup = "{GROUPS[n % 3]}"\ntreatments.app = {{ channel = "app" }}\n'
        for n in range(ACTIONS)
    )
    return catalog('placements.side = { channel = "app" }', actions, rules)


RULES = {
    "at_most_in_answer": """
[slate_rules.x]
applies_to = { groups = ["dairy"] }
at_most = 1
""",
    "at_most_in_placement": """
[slate_rules.x]
applies_to = { groups = ["dairy", "bakery"] }
at_most = 1
per = "placement"
""",
    "never_beside": """
[slate_rules.x]
applies_to = { groups = ["dairy"] }
never_beside = { groups = ["drinks"] }
""",
    "several": """
[slate_rules.x]
applies_to = { groups = ["dairy"] }
never_beside = { actions = ["a1", "a2"] }
[slate_rules.y]
applies_to = { groups = ["drinks", "bakery"] }
at_most = 2
""",
}
SHOPS = {name: shop(rules) for name, rules in RULES.items()}


def allowed(kind: str, chosen: Sequence[tuple[int, int]]) -> bool:
    """Whether (action, placement) pairs may stand together: the rules above, by hand."""
    in_group = {g: [place for a, place in chosen if a % 3 == n] for n, g in enumerate(GROUPS)}
    dairy, drinks, bakery = (in_group[group] for group in GROUPS)
    actions = {action for action, _ in chosen}
    match kind:
        case "at_most_in_answer":
            return len(dairy) <= 1
        case "at_most_in_placement":
            return all((dairy + bakery).count(place) <= 1 for place in (0, 1))
        case "never_beside":
            return not (dairy and drinks)
        case _:
            return not (dairy and actions & {1, 2}) and len(drinks + bakery) <= 2


@settings(max_examples=150, deadline=None)
@given(
    kind=st.sampled_from(sorted(RULES)),
    seed=st.integers(0, 100_000),
    first=st.integers(1, 2),
    second=st.integers(0, 2),
)
def test_no_choice_that_keeps_the_rules_is_worth_more(
    kind: str, seed: int, first: int, second: int
) -> None:
    draw = np.random.default_rng(seed)
    slots = [first, second] if second else [first]
    pairs = [
        (a, place) for place in range(len(slots)) for a in range(ACTIONS) if draw.random() < 0.7
    ]
    score = draw.random(len(pairs)) - 0.1
    actions = np.array([a for a, _ in pairs], dtype=np.intp)
    slot = np.array([place for _, place in pairs], dtype=np.intp)
    taken = filling(kind, score, actions, slot, slots).fill(lambda _: True, lambda _: set()).taken

    best = 0.0
    for count in range(1, sum(slots) + 1):
        for some in combinations(np.flatnonzero(score > 0).tolist(), count):
            chosen = [pairs[at] for at in some]
            once = len({action for action, _ in chosen}) == count
            fits = all(sum(p == place for _, p in chosen) <= n for place, n in enumerate(slots))
            if once and fits and allowed(kind, chosen):
                best = max(best, float(score[list(some)].sum()))
    assert allowed(kind, [pairs[at] for at in taken])
    assert abs(float(score[taken].sum()) - best) < 1e-9


@settings(max_examples=100, deadline=None)
@given(kind=st.sampled_from(sorted(RULES)), seed=st.integers(0, 100_000))
def test_rules_hold_also_for_what_is_tried_after_a_refusal(kind: str, seed: int) -> None:
    draw = np.random.default_rng(seed)
    pairs = [(a, place) for place in (0, 1) for a in range(ACTIONS)]
    actions = np.array([a for a, _ in pairs], dtype=np.intp)
    slot = np.array([place for _, place in pairs], dtype=np.intp)
    refused = {int(at) for at in draw.integers(0, len(pairs), 6)}
    broken = {int(at) for at in draw.integers(0, len(pairs), 3)}
    filled = filling(kind, draw.random(len(pairs)), actions, slot, [2, 2]).fill(
        lambda at: at not in broken, lambda chosen: refused & set(chosen)
    )
    assert allowed(kind, [pairs[at] for at in filled.taken])
    assert not (refused | broken) & set(filled.taken)
    assert len({pairs[at][0] for at in filled.taken}) == len(filled.taken)


def filling(
    kind: str,
    score: np.ndarray[tuple[int], np.dtype[np.float64]],
    actions: np.ndarray[tuple[int], np.dtype[np.intp]],
    slot: np.ndarray[tuple[int], np.dtype[np.intp]],
    slots: list[int],
) -> Filling:
    made = SHOPS[kind]
    index = np.array([made.treatment_index[f"a{a}.app"] for a in actions.tolist()], dtype=np.intp)
    return Filling(
        Ranking(score, index, slot, lambda: tie_keys(1, len(made.treatments))),
        score=score,
        index=index,
        actions=made.action_of[index],
        slot=slot,
        slots=slots,
        together=Together(made),
    )


@settings(max_examples=300, deadline=None)
@given(
    rows=st.integers(1, 8),
    columns=st.one_of(st.integers(1, 12), st.integers(500, 510)),  # by lists, and by arrays
    seed=st.integers(0, 100_000),
)
def test_a_matching_is_worth_what_scipys_is(rows: int, columns: int, seed: int) -> None:
    draw = np.random.default_rng(seed)
    worth = draw.integers(-3, 9, (rows, columns)) + draw.random((rows, columns)) * (seed % 2)
    worth = np.where(draw.random((rows, columns)) < 0.3, -np.inf, worth)
    taken = match(worth).tolist()
    pairs = [(row, column) for row, column in enumerate(taken) if column >= 0]
    assert len({column for _, column in pairs}) == len(pairs)
    assert all(worth[pair] > 0 for pair in pairs)
    free = np.concatenate([np.maximum(worth, 0.0), np.zeros((rows, rows))], axis=1)
    best = float(free[linear_sum_assignment(-free)].sum())
    assert abs(sum(float(worth[pair]) for pair in pairs) - best) < 1e-9
    # where several are worth as much, it is the same one: a replay must not depend on the size
    cost = np.concatenate([-np.maximum(worth, -1.0), np.zeros((rows, rows))], axis=1)
    cost[:, :columns][worth <= 0.0] = 1.0
    assert _held_by_lists(cost.tolist()) == _held_by_arrays(cost)
