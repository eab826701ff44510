from __future__ import annotations

import datetime as dt
import zoneinfo
from itertools import combinations, pairwise, permutations

import numpy as np
import pytest

from nba_engine.domain import ContactPlanTerms
from nba_engine.engine.contact_plans import Made, Offers, PlanContacts, chain_of
from nba_engine.errors import FailedPrecondition
from nba_engine.stages.contact_plan import week_of
from tests.engine.contact_plans.world import (
    CATALOG,
    DAY,
    START,
    add_customer,
    make_shop,
    offering,
)

WEEK = 7 * DAY
TERMS = ContactPlanTerms(
    period=WEEK,
    periods=4,
    most_contacts=3,
    spacing=1,
    diminishing=0.8,
    placements=("newsletter", "letter"),
)


def offers_of(contacts: PlanContacts, values: dict[str, float], budget: float = 100.0) -> Offers:
    index = contacts.catalog.treatment_index
    pairs = sorted((index[name], value) for name, value in values.items())
    return Offers(
        customer_id="c",
        treatment=np.array([at for at, _ in pairs], dtype=np.intp),
        value=np.array([value for _, value in pairs]),
        budget=round(budget * 1e6),
    )


def brute(
    contacts: PlanContacts,
    offers: Offers,
    prices: np.ndarray[tuple[int, int], np.dtype[np.float64]],
    first: int,
    made: list[Made],
) -> float:
    """The most that any chain is worth, by trying all of them."""
    terms, catalog = contacts.terms, contacts.catalog
    best = 0.0
    budget = offers.budget / 1e6 - sum(one.cost for one in made)
    for length in range(1, terms.most_contacts - len(made) + 1):
        for when in combinations(range(first, terms.periods), length):
            taken = sorted([*when, *(one.period for one in made)])
            if any(b - a < terms.spacing for a, b in pairwise(taken)):
                continue
            for who in permutations(range(len(offers.treatment)), length):
                which = [catalog.treatments[int(offers.treatment[k])] for k in who]
                actions = [t.action for t in which] + [one.action for one in made]
                if len(set(actions)) < len(actions) or sum(t.cost for t in which) > budget + 1e-9:
                    continue
                worth = sum(
                    terms.diminishing ** (len(made) + j) * float(offers.value[k])
                    - prices[contacts.position_of[offers.treatment[k]], t]
                    for j, (k, t) in enumerate(zip(who, when, strict=True))
                )
                best = max(best, worth)
    return best


def test_chains_are_the_best_there_are_at_the_prices_whatever_was_made_before() -> None:
    random = np.random.default_rng(11)
    catalog = make_shop().catalog
    for trial in range(60):
        terms = ContactPlanTerms(
            period=WEEK,
            periods=4,
            most_contacts=int(random.integers(1, 4)),
            spacing=int(random.integers(1, 3)),
            diminishing=float(random.uniform(0.5, 1.0)),
            placements=("newsletter", "letter"),
        )
        contacts = PlanContacts(catalog, terms, starts=START)
        names = [catalog.treatments[int(at)].id for at in contacts.treatments]
        chosen = random.choice(names, size=6, replace=False)
        offers = offers_of(
            contacts,
            {str(name): float(np.float32(random.uniform(0.1, 4.0))) for name in chosen},
            budget=float(random.choice([0.02, 0.75, 1.5, 9.0])),
        )
        prices = random.uniform(0.0, 2.0, size=(len(names), 4))
        made = []
        if trial % 3:
            made = [Made(period=0, action="milk", treatment="milk.email", cost=0.02)]
        first = int(random.integers(0, 3))

        chain = chain_of(offers, contacts, prices, first=first, made=made)

        of = contacts.catalog.treatment_index
        worth = sum(
            one.value - prices[contacts.position_of[of[one.treatment]], one.period] for one in chain
        )
        assert worth == pytest.approx(brute(contacts, offers, prices, first, made), abs=1e-9)
        assert all(one.period >= first for one in chain)
        assert not {one.action for one in chain} & {one.action for one in made}


def test_contacts_cost_what_they_cost_and_the_prices_of_the_limits_they_draw_on() -> None:
    contacts = PlanContacts(make_shop().catalog, TERMS, starts=START)

    prices = contacts.prices({"letters": (0.5, 0.0, 0.0, 0.0), "budget": (0.0, 2.0, 0.0, 0.0)})

    index = contacts.catalog.treatment_index
    letter = contacts.position_of[index["milk.letter"]]
    email = contacts.position_of[index["milk.email"]]
    assert prices[letter] == pytest.approx([0.7 + 0.5, 0.7 + 2 * 0.7, 0.7, 0.7])
    assert prices[email] == pytest.approx([0.02, 0.02 + 2 * 0.02, 0.02, 0.02])


def test_a_chain_says_when_what_and_what_for() -> None:
    contacts = PlanContacts(make_shop().catalog, TERMS, starts=START)
    prices = contacts.prices({"letters": (0.0, 9.0, 9.0, 9.0)})
    offers = offers_of(contacts, {"milk.letter": 3.0, "bread.email": 2.0})

    first, second = chain_of(offers, contacts, prices)

    assert (first.treatment, first.period, first.value, first.cost) == ("milk.letter", 0, 3.0, 0.7)
    assert (first.starts, first.ends, first.channel) == (START, START + WEEK, "post")
    assert (second.action, second.value, second.reason) == ("bread", 1.6, "best_at_prices")
    assert second.period > 0


def test_no_action_is_planned_for_a_period_that_begins_when_its_season_is_over() -> None:
    season = CATALOG.replace('name = "Milk"', 'name = "Milk"\nends = 2020-11-25')
    catalog = make_shop(season).catalog
    contacts = PlanContacts(catalog, TERMS, starts=START)
    milk = contacts.position_of[catalog.treatment_index["milk.email"]]

    assert contacts.factor[milk].tolist() == [1.0, 1.0, 0.0, 0.0]


def test_no_action_is_planned_for_a_period_that_ends_before_its_season_begins() -> None:
    season = CATALOG.replace('name = "Wine"', 'name = "Wine"\nstarts = 2020-11-24')
    shop = make_shop(season)
    anna = add_customer(shop, "crm:anna")
    contacts = PlanContacts(shop.catalog, TERMS, starts=START)
    wine = contacts.position_of[shop.catalog.treatment_index["wine.email"]]
    assert contacts.factor[wine].tolist() == [0.0, 1.0, 1.0, 1.0]

    offers = offering(shop).offers(anna.customer_id)
    assert offers is not None
    made = chain_of(offers, contacts, contacts.prices({}))

    # it is worth most, and comes as soon as it can
    assert [(one.period, one.action) for one in made if one.action == "wine"] == [(1, "wine")]


def test_a_period_across_a_change_of_clocks_is_told_by_its_monday() -> None:
    berlin = zoneinfo.ZoneInfo("Europe/Berlin")
    monday = dt.datetime(2020, 10, 19, tzinfo=berlin).timestamp()
    zoned = '[catalog]\ntime_zone = "Europe/Berlin"\n' + CATALOG
    shop = make_shop(zoned)
    anna = add_customer(shop, "crm:anna")
    contacts = PlanContacts(shop.catalog, TERMS, starts=monday)
    offers = offering(shop).offers(anna.customer_id)
    assert offers is not None
    made = chain_of(offers, contacts, contacts.prices({}), first=1)[0]
    assert made.period == 1
    assert made.ends == dt.datetime(2020, 11, 2, tzinfo=berlin).timestamp()
    assert week_of(shop.catalog, TERMS, made) == "the week of 26 October"


def test_what_nobody_could_plan_is_refused_at_once() -> None:
    catalog = make_shop().catalog
    large = ContactPlanTerms(
        period=DAY, periods=60, most_contacts=5, placements=("newsletter", "letter")
    )

    with pytest.raises(FailedPrecondition, match="allow fewer contacts or periods"):
        PlanContacts(catalog, large, starts=START)
    with pytest.raises(FailedPrecondition, match="no treatment fits"):
        PlanContacts(
            catalog, ContactPlanTerms(period=DAY, periods=1, most_contacts=1), starts=START
        )
