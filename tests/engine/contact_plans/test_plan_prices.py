"""What the prices of a plan, and its minimums, have to do with decisions."""

from __future__ import annotations

import pytest

from nba_engine.domain import (
    Change,
)
from tests.engine.contact_plans.test_following import NOON, WEEK, decide, record, shown
from tests.engine.contact_plans.world import (
    CATALOG,
    DAY,
    IDENTITY,
    add_customer,
    make_plan,
    make_shop,
)

PUSHED = """
[limits.push]
name = "Flyers"
measure = "contacts"
at_least = 3
window = "week"
applies_to = { actions = ["flyer"] }
"""


def test_what_a_minimum_adds_stays_with_what_is_due_for_that_may_be_why_it_is() -> None:
    shop = make_shop(CATALOG.replace("[contact_plan]", PUSHED + "[contact_plan]"))
    anna = add_customer(shop, IDENTITY)
    prices = {"letters": (0.5, 0.5, 0.5, 0.5), "push|at_least": (1.25, 1.25, 0.0, 0.0)}
    make_plan(shop, ("flyer.letter", 1), ("flyer.email", 2), customer=anna, prices=prices)

    other = decide(shop, "letter")
    due = decide(shop, "letter", time=NOON + WEEK)
    reached = decide(shop, "newsletter", time=NOON + 2 * WEEK)

    # 0.01 less 0.7 and plus 0.75: of 1.25 the 0.5 are taken off that a letter takes up elsewhere
    assert other.recommendations[0].treatment == "wine.letter"
    assert shown(due) == [("letter", "flyer.letter")]
    assert round(due.recommendations[0].score, 9) == 0.06
    text = shop.explain(due.decision_id).sentences
    assert "plus 0.75 USD for the minimum of 3 contacts this week (“Flyers”)" in " ".join(text)
    assert "the limit “Letters”" not in " ".join(text)
    # where it adds nothing any more, it is not worth its cost
    assert shown(reached) == [("newsletter", "wine.email")]
    told = {one.treatment: one.text for one in shop.explain(reached.decision_id).candidates}
    assert "“Flyer” by E-mail is not worth its contact" in told["flyer.email"]


def test_a_chain_that_is_planned_anew_has_what_minimums_add() -> None:
    shop = make_shop(CATALOG.replace("[contact_plan]", PUSHED + "[contact_plan]"))
    anna = add_customer(shop, IDENTITY)
    for bonus, actions in ((0.0, {"wine", "milk", "bread"}), (5.0, {"flyer", "wine", "milk"})):
        make_plan(shop, ("bread.email", 0), customer=anna, prices={"push|at_least": (bonus,) * 4})
        record(shop, "view", NOON + bonus)
        planned = shop.contact_plan(IDENTITY, time=NOON + 60.0)
        assert planned.replanned
        assert {one.action for one in planned.plan.contacts} == actions


def test_what_contacts_are_worth_is_learned_with_the_prices_they_were_charged() -> None:
    paced = CATALOG.replace(
        'amount = 2\nwindow = "week"\n', 'amount = 200\nwindow = "week"\npace = "even"\n'
    )
    shop = make_shop(paced)
    shop.prices.read(shop.catalog)
    anna = add_customer(shop, IDENTITY)
    make_plan(shop, ("bread.letter", 1), customer=anna, prices={"letters": (2.5, 2.5, 2.5, 2.5)})
    for time, treatment, score in (
        (NOON, "wine.letter", 0.8),  # 4.0 less 0.7, and the plan's 2.5
        (NOON + WEEK, "bread.letter", 1.3),  # has its room
    ):
        (one,) = decide(shop, "letter", time=time).recommendations
        assert (one.treatment, round(one.score, 9)) == (treatment, score)
    online = {"letters": 0.25}
    (cell,) = shop.prices.cells(shop.catalog)
    seen = shop.prices.seen.collect([cell], online, shop.catalog)
    # before any price: 0.8 + 2.5, and 1.3
    assert seen.worth["letters"].contacts == 2
    assert round(seen.worth["letters"].money, 9) == 4.6


def test_a_what_if_question_about_another_week_asks_that_weeks_prices() -> None:
    shop = make_shop()
    anna = add_customer(shop, IDENTITY)
    prices = {"letters": (0.5, 3.5, 0.0, 0.0)}
    make_plan(shop, ("milk.letter", 3), customer=anna, prices=prices)
    decision = decide(shop, "letter")
    assert round(decision.recommendations[0].score, 9) == 2.8  # wine: 4.0 less 0.7 and 0.5

    def at(time: float) -> dict[str, float]:
        told = shop.what_if(decision.decision_id, [Change(kind="time", value=time)])
        return {one.treatment: one.columns["score"] for one in told.candidates if not one.stage}

    assert at(NOON + DAY) == {"wine.letter": pytest.approx(2.8)}
    assert at(NOON + WEEK) == {"nothing.post": 0.0}  # 3.3 is not worth 3.5
    assert at(NOON + 2 * WEEK) == {"wine.letter": pytest.approx(3.3)}
    assert at(NOON + 9 * WEEK) == {"wine.letter": pytest.approx(3.3)}  # no plan any more
    make_plan(shop, prices={"letters": (9.0,) * 4})  # the same plan's name: as if it had changed
    shop.plans.take(None)
    assert at(NOON + 2 * WEEK) == {"wine.letter": pytest.approx(2.8)}  # not known: as on record


def test_a_what_if_question_about_a_time_without_a_plan_is_decided_without_one() -> None:
    shop = make_shop(CATALOG + "only_planned = true\n")
    anna = add_customer(shop, IDENTITY)
    make_plan(shop, ("milk.letter", 0), customer=anna)
    decision = decide(shop, "letter")
    assert shown(decision) == [("letter", "milk.letter")]
    after = NOON + 9 * WEEK
    told = shop.what_if(decision.decision_id, [Change(kind="time", value=after)])
    assert shown(told.decision) == shown(decide(shop, "letter", time=after)) != []
    assert "planned" not in " ".join(told.sentences)


def test_what_a_limit_takes_and_a_minimum_adds_is_one_for_what_is_due() -> None:
    shop = make_shop(CATALOG.replace("[contact_plan]", PUSHED + "[contact_plan]"))
    anna = add_customer(shop, IDENTITY)
    dear = {"letters": (59.5,) * 4, "push|at_least": (57.5,) * 4}
    make_plan(shop, ("flyer.letter", 0), ("wine.letter", 1), customer=anna, prices=dear)
    (due,) = decide(shop, "letter", time=NOON + WEEK).recommendations
    assert (due.treatment, round(due.score, 9)) == ("wine.letter", 3.3)  # neither is taken or added
    told = shop.explain(decide(shop, "letter").decision_id)
    (flyer,) = [one for one in told.candidates if one.treatment == "flyer.letter"]
    assert flyer.columns["score"] == pytest.approx(0.01 - 0.7)  # nor here
    assert "for the limit" not in flyer.text
