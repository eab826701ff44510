"""Contacts that are worth the same in every period: limits by period have room enough, or not."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from msgspec.structs import replace

from nba_engine.batch import LocalEngine
from nba_engine.chains import ChainLimit, ChainRules, best_chains
from nba_engine.planning import (
    Contact,
    Partition,
    Plan,
    PlanLimit,
    Problem,
    Resident,
    Rows,
    build_resident,
    contacts_of,
    make_plan,
)
from nba_engine.planning.draft import Draft

CUSTOMERS, PERIODS = 800, 6
NAMES = tuple(
    Contact(action=action, treatment=f"{action}.{channel}", channel=channel, cost=cost)
    for action in ("milk", "bread", "beer")
    for channel, cost in (("letter", 750_000), ("email", 20_000))
)


def _rows(_source: object, first: int, last: int) -> Rows:
    value = np.random.default_rng(5).lognormal(0.0, 0.7, (CUSTOMERS, 3))[first:last]
    both = np.stack((1.3 * value, value), axis=2).reshape(last - first, 6, 1)
    return Rows(values=both.astype(np.float32), budget=np.full(last - first, 1_000_000, np.int64))


def _problem(letters: int, emails: int = 10**6) -> Problem:
    """So many letters a period, and e-mails in all."""
    use = np.zeros((PERIODS, len(NAMES), PERIODS), np.int64)
    for period in range(PERIODS):
        use[period, ::2, period] = 1
    total = np.roll(use, 1, axis=1).sum(axis=0)
    return Problem(
        rules=ChainRules(periods=PERIODS, most_contacts=2, spacing=1, diminishing=0.8),
        names=NAMES,
        contacts=contacts_of(NAMES, np.ones((len(NAMES), PERIODS))),
        limits=(
            *(
                PlanLimit(name=f"letters {one}", amount=letters, measure="contacts", use=use[one])
                for one in range(PERIODS)
            ),
            PlanLimit(name="emails", amount=emails, measure="contacts", use=total),
        ),
        after_costs=True,
    )


def _planned(problem: Problem, customers: int) -> tuple[Plan, Resident]:
    partition = Partition(
        number=0, problem=problem, load=_rows, source=None, first=0, last=customers
    )
    batch = LocalEngine().open([partition], build_resident, releases_gil=True)
    try:
        plan = make_plan(batch, problem, customers, partitions=1)
    finally:
        batch.close()
    assert (plan.used <= problem.amounts).all()
    return plan, build_resident(partition)


@pytest.mark.parametrize("letters", [30, 90, 250])
def test_what_has_no_room_in_its_period_goes_to_another_one_that_has(letters: int) -> None:
    plan, _ = _planned(_problem(letters), CUSTOMERS)
    assert plan.value >= 0.999 * plan.bound


@pytest.mark.parametrize(("customers", "letters", "emails"), [(300, 20, 90), (40, 3, 9), (3, 1, 3)])
def test_no_contact_waits_for_a_period_in_which_it_earns_no_more(
    customers: int, letters: int, emails: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = _problem(letters, emails)
    plan, resident = _planned(problem, customers)
    contact, period, _ = resident.planned(plan.at)
    letters_left = (problem.amounts - plan.used)[:PERIODS]
    anywhere = np.ones(PERIODS)  # an e-mail takes what it gives back
    for who, when in zip(contact.tolist(), period.tolist(), strict=True):
        before = -1
        for c, t in zip(who, when, strict=True):
            if c >= 0:
                left = anywhere if c % 2 else letters_left
                assert not left[before + 1 : t].any(), (who, when)
                before = t
    monkeypatch.setattr(Draft, "move_earlier", lambda *_: None)
    assert plan.value == pytest.approx(_planned(problem, customers)[0].value, rel=1e-12)


def test_ties_fall_the_same_with_numba_and_without(monkeypatch: pytest.MonkeyPatch) -> None:
    chains = []
    for use_numba in (True, False):
        search = partial(best_chains, use_numba=use_numba)
        monkeypatch.setattr("nba_engine.planning.resident.best_chains", search)
        plan, resident = _planned(_problem(4, 20), 60)
        chains.append([*resident.planned(plan.at), plan.counts])
    for one, other in zip(*chains, strict=True):
        assert np.array_equal(one, other)


@pytest.mark.parametrize(("customers", "letters"), [(300, 40), (40, 3)])
def test_chains_keep_their_own_limits_whatever_is_moved(customers: int, letters: int) -> None:
    problem = _problem(letters, customers)
    mail = np.array([one.channel == "email" for one in NAMES])
    own = (
        ChainLimit(counted=mail, first=0, last=2, most=1),
        ChainLimit(counted=mail, first=3, last=5, most=0),
        ChainLimit(counted=np.ones(len(NAMES), np.bool_), first=2, last=4, most=1),
    )
    limited = replace(problem, contacts=replace(problem.contacts, limits=own))
    plan, resident = _planned(limited, customers)
    assert plan.value >= 0.98 * plan.bound
    assert plan.value < 0.99 * _planned(problem, customers)[0].value  # they do bind
    contact, period, why = resident.planned(plan.at)
    assert why.any()  # room was made, or used
    for one in own:
        within = (
            one.counted[contact] & (contact >= 0) & (one.first <= period) & (period <= one.last)
        )
        assert within.sum(axis=1).max() == one.most
