"""Limits per customer hold in every chain: neither more nor fewer chains than can be carried out."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Iterator, Sequence
from itertools import pairwise, permutations, product
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from nba_engine.app.contact_plans.limits import not_planned_with
from nba_engine.chains import Patterns, classes_of
from nba_engine.domain import CatalogView, ContactPlanTerms
from nba_engine.engine.contact_plans import Made, Offers, PlanContacts, chain_of
from nba_engine.engine.contact_plans import contacts as of_contacts
from nba_engine.testing import make_catalog
from tests.app.carried_out import carried_out

DAY = 86_400.0
ZONE = ZoneInfo("Europe/Berlin")
MONDAY = dt.datetime(2017, 11, 6, tzinfo=ZONE).timestamp()
CHANNELS = {"letter": 0.7, "email": 0.02}
HEAD = (
    '[catalog]\ntime_zone = "Europe/Berlin"\n[actions.nothing]\nkind = "nothing"\n'
    + "".join(
        f'[channels.{name}]\ndirection = "outbound"\n[placements.{name}s]\nchannel = "{name}"\n'
        for name in CHANNELS
    )
    + "".join(
        f'[actions.{action}]\ncampaign = "{campaign}"\nvalue = 1.0\nprior = 0.1\n'
        + "".join(
            f'[actions.{action}.treatments.{name}]\nchannel = "{name}"\ncost = {cost}\n'
            for name, cost in CHANNELS.items()
        )
        for action, campaign in (("milk", "autumn"), ("wine", "winter"), ("tea", "winter"))
    )
    + '[contact_plan]\nperiod = "7d"\nperiods = 4\n'
)
LIMIT = (
    '[limits.{0}]\nscope = ["customer"{1}]\nmeasure = "contacts"\namount = {2}\nwindow = "{3}"\n'
)


def shop(*limits: str) -> CatalogView:
    return make_catalog(HEAD + "".join(limits), base={})


def chains(contacts: PlanContacts) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Every chain by the rules alone: contacts and periods."""
    terms = contacts.terms
    for length in range(1, terms.most_contacts + 1):
        for chain in permutations(range(len(contacts.actions)), length):
            if len({int(contacts.actions[at]) for at in chain}) == length:
                for when in product(range(terms.periods), repeat=length):
                    if all(b - a >= terms.spacing for a, b in pairwise(when)):
                        yield chain, when


def kept(patterns: Patterns) -> Any:
    """Whether a chain is one of the patterns'."""
    _, of_class = classes_of(patterns.contacts)
    rows = set()
    for row in patterns.pattern:
        places = patterns.place[row[row >= 0]]
        rows.add(tuple((int(of_class[patterns.members[k]]), int(t)) for _, t, k, _ in places))

    def is_kept(chain: Sequence[int], when: Sequence[int]) -> bool:
        return tuple((int(of_class[c]), t) for c, t in zip(chain, when, strict=True)) in rows

    return is_kept


def windows_of(unit: str, times: Sequence[float], rolls: float) -> list[tuple[float, float]]:
    """The windows around these times by the calendar, hour by hour."""
    begin, end = times[0], times[-1]
    if unit == "lifetime":
        return [(-np.inf, np.inf)]
    if unit == "rolling":
        return [
            (begin + k * rolls, begin + (k + 1) * rolls)
            for k in range(int(np.ceil((end - begin) / rolls)))
        ]

    def key(time: float) -> Any:
        local = dt.datetime.fromtimestamp(time, ZONE)
        return {
            "day": local.date(),
            "week": local.isocalendar()[:2],
            "month": (local.year, local.month),
        }[unit]

    found: list[tuple[float, float]] = []
    time = begin
    while time < end:
        first = last = time
        while key(first - 3600.0) == key(time):
            first -= 3600.0
        while key(last) == key(time):
            last += 3600.0
        found.append((first, last))
        time = last
    return found


@pytest.mark.parametrize("seed", range(40))
def test_a_chain_is_searched_if_and_only_if_its_contacts_fit_the_windows(seed: int) -> None:
    rng = random.Random(seed)
    unit, rolls = rng.choice(["day", "week", "month", "lifetime", "rolling"]), 0.0
    window = unit
    if unit == "rolling":
        rolls = rng.choice([3, 7, 14]) * DAY
        window = f"rolling {rolls / DAY:g}d"
    scope, amount = rng.choice(["", ', "channel"', ', "campaign"']), rng.choice([0, 1, 1, 2])
    catalog = shop(LIMIT.format("one", scope, amount, window))
    terms = ContactPlanTerms(
        period=rng.choice([1, 3, 7, 10]) * DAY,
        periods=rng.randint(1, 4),
        most_contacts=3,
        spacing=rng.choice([1, 1, 2]),
        placements=("letters", "emails"),
    )
    contacts = PlanContacts(catalog, terms, starts=MONDAY + rng.randrange(30) * DAY)
    patterns = contacts.patterns()
    assert patterns is not None
    is_kept = kept(patterns)
    periods = list(pairwise(contacts.bounds))
    windows = [(*one, amount) for one in windows_of(unit, contacts.bounds, rolls)]
    kinds = [
        {"": "", ', "channel"': treatment.channel}.get(
            scope, catalog.actions[catalog.action_index[treatment.action]].campaign
        )
        for treatment in (catalog.treatments[at] for at in contacts.treatments.tolist())
    ]
    for chain, when in chains(contacts):
        fits = True
        for kind in set(kinds):
            planned: list[list[int]] = [[] for _ in periods]
            for at, period in zip(chain, when, strict=True):
                if kinds[at] == kind:
                    planned[period].append(1)
            fits &= carried_out(planned, periods, windows)
        assert is_kept(chain, when) == fits, (window, scope, amount, chain, when)


def test_what_was_made_counts_in_the_limits_of_the_rest_of_a_chain() -> None:
    terms = ContactPlanTerms(
        period=7 * DAY, periods=4, most_contacts=3, placements=("letters", "emails")
    )
    limit = LIMIT.format("few", ', "channel"', 1, "month")
    contacts = PlanContacts(shop(limit), terms, starts=MONDAY)  # to 3 December
    letter = [contacts.catalog.treatments[at].channel for at in contacts.treatments].index("letter")
    email = 1 - letter
    begun = contacts.patterns([(letter, 0)])
    assert begun is not None
    is_kept = kept(begun)
    other = letter + 2
    assert not is_kept([other], [1])
    assert is_kept([email], [1])
    assert is_kept([other], [3])  # it reaches into December
    assert contacts.patterns([(letter, 0)]) is begun
    assert contacts.patterns([(letter, 0), (email, 1), (other, 3)]) is None


def test_limits_that_would_make_too_many_patterns_are_left_out_and_told_of() -> None:
    many = "".join(
        f'[actions.a{n}]\ncampaign = "c{n}"\nvalue = 1.0\nprior = 0.1\n'
        f'[actions.a{n}.treatments.one]\nchannel = "letter"\ncost = 0.7\n'
        f'[actions.a{n}.treatments.two]\nchannel = "letter"\ncost = 0.7\n'
        f'[actions.b{n}]\ncampaign = "c{n}"\nvalue = 1.0\nprior = 0.1\n'
        f'[actions.b{n}.treatments.one]\nchannel = "letter"\ncost = 0.7\n'
        for n in range(40)
    )
    limits = LIMIT.format("each_campaign", ', "campaign"', 1, "lifetime")
    catalog = shop(many, limits, LIMIT.format("letters", ', "channel"', 2, "lifetime"))
    terms = ContactPlanTerms(
        period=7 * DAY, periods=8, most_contacts=3, placements=("letters", "emails")
    )
    contacts = PlanContacts(catalog, terms, starts=MONDAY)
    assert [catalog.limits[at].id for at in contacts.known.left_out] == ["each_campaign"]
    (told,) = not_planned_with(contacts)
    assert told.startswith(
        "each_campaign is not planned with, as that would make too many patterns"
    )
    patterns = contacts.patterns()
    assert patterns is not None
    assert len(patterns.contacts.limits) == 2  # letters, and e-mails


def test_a_limit_that_no_chain_can_exceed_makes_no_patterns_more() -> None:
    terms = ContactPlanTerms(
        period=7 * DAY, periods=4, most_contacts=3, placements=("letters", "emails")
    )
    for limit in (
        LIMIT.format("one", ', "action"', 1, "lifetime"),  # no action comes twice
        LIMIT.format("one", "", 1, "week"),  # from a Monday, one contact a week
        LIMIT.format("one", "", 1, "day"),
        LIMIT.format("one", "", 3, "month"),
    ):
        contacts = PlanContacts(shop(limit), terms, starts=MONDAY)
        patterns = contacts.patterns()
        assert patterns is not None
        assert patterns.contacts.limits == ()
        assert list(not_planned_with(contacts)) == []


def test_what_was_made_against_the_rules_of_chains_counts_in_limits_all_the_same() -> None:
    """Two e-mails in one week use up the month, which no chain of two weeks could exceed."""
    terms = ContactPlanTerms(
        period=7 * DAY, periods=2, most_contacts=3, placements=("letters", "emails")
    )
    contacts = PlanContacts(
        shop(LIMIT.format("few", ', "channel"', 2, "month")), terms, starts=MONDAY
    )
    index = contacts.catalog.treatment_index
    offers = Offers(
        customer_id="1",
        treatment=np.array(sorted([index["milk.email"], index["tea.letter"]])),
        value=np.array([5.0, 1.0]),
    )
    made = [Made(period=0, action="wine", treatment="wine.email")] * 2
    for number, treatment in ((0, "milk.email"), (1, "milk.email"), (2, "tea.letter")):
        chain = chain_of(
            offers,
            contacts,
            contacts.prices({}),
            first=1,
            made=made[:number],
        )
        assert [one.treatment for one in chain] == [treatment]


def test_what_is_left_behind_what_was_made_is_not_kept_for_good(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(of_contacts, "_KEPT", 3)
    terms = ContactPlanTerms(
        period=7 * DAY, periods=12, most_contacts=3, placements=("letters", "emails")
    )
    contacts = PlanContacts(
        shop(LIMIT.format("few", ', "channel"', 2, "month")), terms, starts=MONDAY
    )
    again = contacts.patterns([(0, 0)])
    sizes = set()
    for first, second in product(range(len(contacts.actions)), range(terms.periods)):
        assert contacts.patterns([(first, second), (0, 0)]) is not None
        sizes.add(len(contacts._fewer))
    assert sizes == {1, 2, 3}
    once_more = contacts.patterns([(0, 0)])
    assert again is not None
    assert once_more is not None
    assert np.array_equal(once_more.pattern, again.pattern)
