from __future__ import annotations

import pytest

from nba_engine.domain import Hold, ReservationRequest
from nba_engine.engine.contact_plans import UNLIMITED, Offers
from nba_engine.errors import FailedPrecondition
from nba_engine.testing import FakeStore
from tests.engine.contact_plans.world import CATALOG, DAY, START, add_customer, make_shop, offering


def named(offers: Offers | None, engine: object) -> dict[str, float]:
    assert offers is not None
    treatments = engine.catalog.treatments  # type: ignore[attr-defined]
    return {
        treatments[at].id: round(value, 9)
        for at, value in zip(offers.treatment.tolist(), offers.value.tolist(), strict=True)
    }


def test_whatever_is_worth_its_cost_in_a_planned_placement_is_offered_once() -> None:
    shop = make_shop()
    anna = add_customer(shop, "crm:anna")

    offers = offering(shop).offers(anna.customer_id)

    assert named(offers, shop) == {
        "milk.email": 3.0,
        "milk.letter": 3.0,
        "bread.email": 2.0,
        "bread.letter": 2.0,
        "wine.email": 4.0,
        "wine.letter": 4.0,
    }  # the flyer is not worth a stamp, and banners are not planned
    assert offers is not None
    assert offers.budget == 5_000_000


def test_rules_hold_for_what_is_planned() -> None:
    shop = make_shop()
    kid = add_customer(shop, "crm:kid", age=12)

    assert "wine.email" not in named(offering(shop).offers(kid.customer_id), shop)


def test_the_hour_at_which_plans_are_made_does_not_matter() -> None:
    shop = make_shop()
    anna = add_customer(shop, "crm:anna")

    at_noon = named(offering(shop, START + DAY / 2).offers(anna.customer_id), shop)

    assert named(offering(shop, START).offers(anna.customer_id), shop) == at_noon


def fill(store: object, account: str, limit: str, amount: int) -> None:
    assert isinstance(store, FakeStore)
    hold = Hold(account=account, limit=limit, amount=amount, ceiling=amount)
    (answer,) = store.reserve(
        [
            ReservationRequest(
                reservation_id=f"r-{limit}",
                decision_id="d",
                customer_id="c",
                holds=(hold,),
                expires=START + DAY,
            )
        ],
        now=START,
    )
    assert answer.granted


def test_a_week_that_is_full_stands_in_nobodys_way_but_a_budget_that_is_spent_does() -> None:
    shop = make_shop()
    anna = add_customer(shop, "crm:anna")
    fill(shop.store, "letters|2020-11-09", "letters", 2)

    assert "milk.letter" in named(offering(shop).offers(anna.customer_id), shop)

    fill(shop.store, "budget|lifetime", "budget", 1_000_000_000)

    assert named(offering(shop).offers(anna.customer_id), shop) == {}


def test_nothing_is_reserved_and_nothing_is_logged() -> None:
    shop = make_shop()
    anna = add_customer(shop, "crm:anna")

    offering(shop).offers(anna.customer_id)

    assert list(shop.store.usage_report()) == []
    assert list(shop.log.decisions_of([anna.customer_id])) == []


def test_a_budget_that_cannot_be_computed_pays_for_nothing() -> None:
    missing = CATALOG.replace('"customer.purse"', '"customer.purse / 0.0"')
    shop, free = make_shop(missing), make_shop(CATALOG.replace('budget = "customer.purse"', ""))
    anna, ben = add_customer(shop, "crm:anna"), add_customer(free, "crm:ben")

    found, unlimited = (
        offering(shop).offers(anna.customer_id),
        offering(free).offers(ben.customer_id),
    )

    assert found is not None
    assert found.budget == 0
    assert unlimited is not None
    assert unlimited.budget == UNLIMITED


def test_nobody_is_offered_nothing() -> None:
    assert offering(make_shop()).offers("nobody") is None


def test_without_the_table_nothing_can_be_planned() -> None:
    with pytest.raises(FailedPrecondition, match="contact_plan"):
        offering(make_shop(CATALOG.partition("[contact_plan]")[0]))
