"""What is given out without a plan, by hand; what was bought within 14 days, by looking it up."""

from __future__ import annotations

import numpy as np

from nba_demo.bought import Bought
from nba_demo.data import CUT_OFF, DAY
from nba_demo.hits import LAST_LABEL
from nba_demo.unplanned import Chain, give_out
from nba_engine.chains import ChainRules
from nba_engine.planning import Contact, PlanLimit, Problem, Rows, contacts_of

from .small import Small

NAMES = (
    Contact(action="milk", treatment="milk.letter", channel="letter", cost=700_000),
    Contact(action="milk", treatment="milk.email", channel="email", cost=20_000),
    Contact(action="bread", treatment="bread.email", channel="email", cost=20_000),
)
RULES = ChainRules(periods=3, most_contacts=2, spacing=2, diminishing=0.5)


def _problem(letters: int) -> Problem:
    use = np.zeros((3, 3), np.int64)
    use[0] = 1
    return Problem(
        rules=RULES,
        names=NAMES,
        contacts=contacts_of(NAMES, np.ones((3, 3))),
        limits=(PlanLimit(name="letters", amount=letters, measure="contacts", use=use),),
        after_costs=True,
    )


def _rows(*values: tuple[float, ...], budget: int = 1_000_000) -> Rows:
    table = np.array(values, np.float32)[:, :, None]
    return Rows(values=table, budget=np.full(len(values), budget, np.int64))


def test_the_best_comes_first_then_another_action_after_the_spacing_for_less() -> None:
    chains = give_out(_rows((2.0, 1.0, 0.5)), _problem(9), after_costs=False, seed=1)
    assert chains == [Chain(0, 0, 0, 2.0), Chain(0, 2, 2, 0.25)]


def test_costs_taken_off_may_change_what_is_best() -> None:
    chains = give_out(_rows((1.5, 1.0, np.nan)), _problem(9), after_costs=True, seed=1)
    assert chains == [Chain(0, 1, 0, 1.0)]


def test_whoever_comes_first_gets_the_last_letter_and_no_limit_or_budget_is_exceeded() -> None:
    rows = _rows((2.0, 1.0, np.nan), (9.0, 1.0, np.nan), (2.0, 1.0, np.nan))
    seen = set()
    for seed in range(20):
        chains = give_out(rows, _problem(1), after_costs=False, seed=seed)
        (lucky,) = [one.customer for one in chains if one.contact == 0]
        seen.add(lucky)
        assert sorted(one.customer for one in chains) == [0, 1, 2]
    assert seen == {0, 1, 2}
    poor = give_out(_rows((2.0, 1.0, 0.1), budget=30_000), _problem(9), after_costs=False, seed=1)
    assert poor == [Chain(0, 1, 0, 1.0)]


def test_nobody_is_contacted_at_a_loss() -> None:
    assert give_out(_rows((0.7, 0.02, 0.01)), _problem(9), after_costs=False, seed=1) == []


def test_what_was_bought_within_14_days_is_what_the_year_says(small: Small) -> None:
    bought, panel = Bought(small.panel, small.offers), small.panel
    expected = panel.bought(CUT_OFF + 7 * DAY, CUT_OFF + 21 * DAY)
    found = [
        [bought.within(household, offer.id, CUT_OFF + 7 * DAY) for offer in small.offers]
        for household in range(20)
    ]
    assert found == expected[:20].tolist()
    assert expected[:20].any()
    assert bought.within(0, "loyalty", CUT_OFF) is None
    assert bought.within(0, small.offers[0].id, LAST_LABEL) is None
