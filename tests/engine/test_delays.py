"""Contacts whose outcomes may still come: what they count, against known truths."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pytest

from nba_engine.domain import Tally
from nba_engine.engine.delays import Delays, entered, settled, told, waiting, with_waiting

DAY = 86_400.0
WITHIN = 14 * DAY
MEAN = 4 * DAY  # of how long outcomes take


class Fact(NamedTuple):
    """A contact, or its outcome: when it became known, and when the contact was decided."""

    known: float
    decided: float
    positive: bool


def happened(random: np.random.Generator, contacts: int, days: float, rate: float) -> list[Fact]:
    """What comes to be known of contacts that are decided evenly over some days."""
    found = []
    for decided in random.uniform(0.0, days * DAY, contacts).tolist():
        found.append(Fact(decided, decided, positive=False))
        delay = float(random.exponential(MEAN))
        if random.random() < rate and delay <= WITHIN:
            found.append(Fact(decided + delay, decided, positive=True))
    return sorted(found)


def counted(facts: Sequence[Fact], page: int = 50) -> tuple[Delays, Tally]:
    """All of them, page by page, in the order given."""
    delays, tally, until = Delays(WITHIN), Tally(), 0.0
    for start in range(0, len(facts), page):
        for one in facts[start : start + page]:
            until = max(until, one.known)
            if one.positive:
                delays = told(delays, one.decided, one.known)
            else:
                delays = entered(delays, "new", one.decided)
            tally = Tally(tally.contacts + (not one.positive), tally.positives + one.positive)
        delays = settled(delays, until)
    return delays, tally


def known_at(facts: Sequence[Fact], moment: float) -> Tally:
    """The tally of a moment."""
    delays, tally = counted([one for one in facts if one.known <= moment])
    return with_waiting(tally, waiting(delays, moment).get("new", 0.0))


@pytest.mark.parametrize("day", [5.0, 10.0, 20.0, 32.0])
def test_the_rate_is_right_at_any_moment_where_counting_at_once_is_too_low(day: float) -> None:
    rate = 0.3 * (1.0 - np.exp(-WITHIN / MEAN))  # what ends well in time
    past = happened(np.random.default_rng(99), 1_500, 60.0, 0.3)  # of other actions, long over
    corrected, at_once = [], []
    for seed in range(12):
        facts = happened(np.random.default_rng(seed), 400, 30.0, 0.3)
        moment = 100 * DAY + day * DAY
        mine = [Fact(k + 100 * DAY, d + 100 * DAY, positive) for k, d, positive in facts]
        delays, _ = counted([*[one for one in past if one.positive], *_until(mine, moment)])
        contacts = sum(not one.positive for one in _until(mine, moment))
        positives = sum(one.positive for one in _until(mine, moment))
        found = with_waiting(Tally(contacts, positives), waiting(delays, moment).get("new", 0.0))
        corrected.append(found.positives / found.counted)
        at_once.append(positives / contacts)
    error = float(np.std(corrected)) / np.sqrt(len(corrected))
    assert abs(np.mean(corrected) - rate) < 3.5 * error + 0.02 * rate
    assert np.mean(at_once) < {5.0: 0.55, 10.0: 0.75, 20.0: 0.9, 32.0: 0.97}[day] * rate


def _until(facts: Sequence[Fact], moment: float) -> list[Fact]:
    return [one for one in facts if one.known <= moment]


def test_delays_are_learned_while_most_contacts_are_still_open() -> None:
    facts = happened(np.random.default_rng(1), 6_000, 13.0, 0.9)
    moment = 13 * DAY
    found = known_at(facts, moment)
    # of what comes within the oldest contact's age, as nothing is known beyond
    ages = moment - np.array([one.decided for one in facts if not one.positive])
    share = (1.0 - np.exp(-ages / MEAN)) / (1.0 - np.exp(-moment / MEAN))
    assert found.counted == pytest.approx(share.sum(), rel=0.04)


@pytest.mark.parametrize("seed", range(3))
def test_neither_order_nor_pages_change_what_is_counted(seed: int) -> None:
    random = np.random.default_rng(seed)
    facts = happened(random, 300, 50.0, 0.4)
    shuffled = [facts[at] for at in random.permutation(len(facts))]
    assert counted(shuffled, 7) == counted(facts, 1_000) == counted(facts, 1)


def test_when_its_time_is_over_a_contact_counts_whole() -> None:
    facts = happened(np.random.default_rng(2), 200, 3.0, 0.3)
    for days, least in ((3.5, 20.0), (17.5, 0.0)):
        waits = known_at(facts, days * DAY).waiting
        assert waits >= least
    assert waits < 1e-6 * 200
    delays, _ = counted(facts)
    assert settled(delays, 40 * DAY).open == {}
    assert sum(settled(delays, 40 * DAY).told.values()) == sum(one.positive for one in facts)


def test_without_any_outcome_contacts_count_at_once() -> None:
    facts = [Fact(n * DAY, n * DAY, positive=False) for n in range(10)]
    assert known_at(facts, 10 * DAY) == Tally(10, 0)


def test_no_more_is_kept_however_many_contacts_there_are() -> None:
    delays, _ = counted(happened(np.random.default_rng(3), 4_000, 200.0, 0.3), 500)
    assert len(delays.open) < 90
