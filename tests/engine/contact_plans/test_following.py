from __future__ import annotations

from typing import cast

import pytest

from nba_engine.domain import (
    PLAN_ATTRIBUTE,
    Change,
    CustomerPlan,
    Decision,
    DecisionRequest,
    Interaction,
    LinkRequest,
    PlacementRequest,
    ProfileUpdate,
    Store,
    encode_customer_plan,
)
from nba_engine.engine import Engine
from nba_engine.errors import InvalidRequest, Unavailable
from nba_engine.testing import FakeStore
from tests.engine.contact_plans.world import (
    CATALOG,
    DAY,
    IDENTITY,
    START,
    add_customer,
    make_plan,
    make_shop,
)

NOON = START + DAY / 2
WEEK = 7 * DAY


def decide(engine: Engine, *placements: str, time: float = NOON) -> Decision:
    wanted = tuple(PlacementRequest(name) for name in placements or ("newsletter",))
    request = DecisionRequest(identity=IDENTITY, placements=wanted, time=time, seed=1)
    return engine.decide(request)


def shown(decision: Decision) -> list[tuple[str, str]]:
    return [(one.placement, one.treatment) for one in decision.recommendations]


def record(engine: Engine, type_: str, time: float, *, of: Decision | None = None) -> None:
    (result,) = engine.record(
        [
            Interaction(
                interaction_id=f"i-{type_}-{time}",
                identity=IDENTITY,
                type=type_,
                time=time,
                recommendation_id="" if of is None else of.recommendations[0].recommendation_id,
            )
        ]
    )
    assert result.status == "recorded"


def test_what_is_planned_for_now_goes_before_what_is_worth_more() -> None:
    shop = make_shop()
    anna = add_customer(shop, IDENTITY)
    before = decide(shop)
    make_plan(shop, ("bread.email", 0), ("milk.letter", 1), customer=anna)

    decision = decide(shop)

    assert shown(before) == [("newsletter", "wine.email")]
    assert shown(decision) == [("newsletter", "bread.email")]
    assert "planned" in decision.recommendations[0].reason_codes
    assert round(decision.recommendations[0].score, 9) == 1.98  # as honest as ever


def test_prices_of_the_plan_hold_for_the_others_and_what_is_due_has_its_room() -> None:
    shop = make_shop()
    anna = add_customer(shop, IDENTITY)
    make_plan(shop, ("bread.letter", 1), customer=anna, prices={"letters": (3.5, 2.5, 0.0, 0.0)})

    nobody = decide(shop, "letter")
    due = decide(shop, "letter", time=NOON + WEEK)

    # 4.0 and 3.0 less 0.7 are not worth 3.5; of a week later bread is not charged, though 1.3 < 2.5
    assert shown(nobody) == [("letter", "nothing.post")]
    assert nobody.dropped["arbitration/below_nothing"] == 4
    assert shown(due) == [("letter", "bread.letter")]
    assert round(due.recommendations[0].score, 9) == 1.3


def test_only_planned_shows_nothing_else_and_says_when_its_turn_is() -> None:
    shop = make_shop(CATALOG + "only_planned = true\n")
    anna = add_customer(shop, IDENTITY)
    make_plan(shop, ("bread.email", 0), ("milk.email", 2), customer=anna)

    decision = decide(shop, "newsletter", "banner")

    assert shown(decision) == [("newsletter", "bread.email"), ("banner", "wine.banner")]
    assert decision.dropped["contact_plan/not_planned"] == 3
    told = shop.explain(decision.decision_id)
    text = {t.treatment: t.text for t in told.candidates if t.placement == "newsletter"}
    assert text["milk.email"] == (
        "“Milk” by E-mail is not planned for now: it is planned for later (“Milk” by E-mail in the "
        "week of 27 November), and the plan has “Bread” by E-mail in the week of 13 November; what it "
        "would take: it is decided then, “Milk” by E-mail in the week of 27 November."
    )
    assert "Planned for now is “Bread” by E-mail in the week of 13 November" in " ".join(
        told.sentences
    )


def test_without_a_plan_in_force_everything_is_as_without_the_stage() -> None:
    shop = make_shop()
    anna = add_customer(shop, IDENTITY)
    make_plan(shop, ("bread.email", 0), customer=anna)

    over = decide(shop, time=START + 4 * WEEK + DAY / 2)

    assert shown(over) == [("newsletter", "wine.email")]
    assert over.degraded == ()


def test_placements_that_are_not_planned_take_no_notice() -> None:
    shop = make_shop()
    anna = add_customer(shop, IDENTITY)
    make_plan(shop, ("bread.email", 0), customer=anna)

    decision = decide(shop, "banner")

    assert shown(decision) == [("banner", "wine.banner")]
    log = shop.log.read(decision.decision_id)
    assert log is not None
    assert log.contact_plan is None
    assert log.prices == {}


def test_new_attributes_leave_a_plan_as_it_is() -> None:
    shop = make_shop()
    anna = add_customer(shop, IDENTITY)
    make_plan(shop, ("bread.email", 0), customer=anna)

    shop.update_profile(ProfileUpdate(identity=IDENTITY, attributes={"age": 41}))

    assert shown(decide(shop)) == [("newsletter", "bread.email")]


def test_an_interaction_plans_the_customer_anew_at_once() -> None:
    shop = make_shop()
    anna = add_customer(shop, IDENTITY)
    make_plan(shop, ("bread.email", 0), customer=anna)

    record(shop, "complaint", NOON)

    current = shop.contact_plan(IDENTITY, time=NOON)
    assert current.replanned
    assert current.plan.contacts[0].treatment == "wine.email"  # the best at the prices
    decision = decide(shop, time=NOON + 60.0)
    assert shown(decision) == [("newsletter", "wine.email")]
    kept = shop.log.read(decision.decision_id)
    assert kept is not None
    assert kept.contact_plan is not None
    assert kept.contact_plan.replanned
    assert kept.contact_plan.contacts == current.plan.contacts


def test_a_contact_that_took_place_counts_and_the_rest_is_planned_around_it() -> None:
    shop = make_shop()
    anna = add_customer(shop, IDENTITY, purse=0.05)
    make_plan(shop, ("wine.email", 0), ("milk.email", 1), customer=anna)

    decision = decide(shop)
    record(shop, "impression", NOON + 10.0, of=decision)

    current = shop.contact_plan(IDENTITY, time=NOON + 60.0)
    assert current.replanned
    # wine is done, the week is taken, and of 0.05 there are 0.03 left: one more
    assert [one.action for one in current.plan.contacts] == ["milk"]
    assert current.plan.contacts[0].period == 1
    assert round(current.plan.contacts[0].value, 6) == round(0.8 * 3.0, 6)
    again = decide(shop, time=NOON + 120.0)
    assert "planned" not in again.recommendations[0].reason_codes


def test_whom_the_plan_does_not_contact_is_left_alone_until_something_happens() -> None:
    shop = make_shop()
    add_customer(shop, IDENTITY)
    record(shop, "purchase", START - DAY)
    make_plan(shop)

    alone = shop.contact_plan(IDENTITY, time=NOON)
    record(shop, "purchase", NOON)
    now = shop.contact_plan(IDENTITY, time=NOON + 1.0)

    assert (alone.replanned, alone.plan.contacts) == (False, ())
    assert now.replanned
    assert len(now.plan.contacts) == 3


def test_replays_and_what_if_questions_see_the_plan_as_it_was() -> None:
    shop = make_shop()
    anna = add_customer(shop, IDENTITY)
    make_plan(shop, ("bread.email", 0), customer=anna)
    record(shop, "complaint", NOON)
    decision = decide(shop, "newsletter", "letter", time=NOON + 60.0)

    # another plan, and more that happened: what was decided is explained by what was read then
    make_plan(shop, ("flyer.email", 0), customer=anna, prices={"letters": (9.0, 9.0, 9.0, 9.0)})
    record(shop, "purchase", NOON + 70.0)
    told = shop.explain(decision.decision_id)

    assert shown(told.decision) == shown(decision)
    assert any("planned anew for this decision" in sentence for sentence in told.sentences)
    dear = shop.what_if(decision.decision_id, [Change(kind="price", target="letters", value=99.0)])
    assert ("letter", "nothing.post") in shown(dear.decision)
    later = shop.what_if(decision.decision_id, [Change(kind="time", value=START + 6 * WEEK)])
    assert all("planned" not in r.reason_codes for r in later.decision.recommendations)


def test_nobody_but_a_plan_says_what_is_planned() -> None:
    shop = make_shop()
    add_customer(shop, IDENTITY)

    with pytest.raises(InvalidRequest, match="nba plan sets it"):
        shop.update_profile(ProfileUpdate(identity=IDENTITY, attributes={"contact_plan": "{}"}))
    with pytest.raises(InvalidRequest, match="nba plan sets it"):
        shop.update_profile(ProfileUpdate(identity=IDENTITY, remove=("contact_plan",)))


def test_a_plan_outlives_a_catalog_that_lost_what_it_planned() -> None:
    shop = make_shop()
    anna = add_customer(shop, IDENTITY)
    make_plan(shop, ("bread.email", 0), customer=anna)
    shop.reload({"catalog.toml": CATALOG.replace("[actions.bread]", "[actions.rolls]")})

    assert shown(decide(shop)) == [("newsletter", "wine.email")]


def test_a_store_that_cannot_be_read_fails_the_call_whatever_the_stage_may_do_without() -> None:
    shop = make_shop()
    anna = add_customer(shop, IDENTITY)
    make_plan(shop, ("bread.email", 0), customer=anna)
    shop.plans._store = cast("Store", _Away())

    with pytest.raises(Unavailable):
        decide(shop)


class _Away:
    """A store whose histories cannot be read."""

    def history(self, customer_id: str, *, after: int = 0) -> None:
        raise Unavailable("the disk is away")


ONE_PLANNED = CATALOG.replace(
    'placements = ["newsletter", "second_newsletter", "letter"]', 'placements = ["newsletter"]'
)


def test_what_is_due_goes_first_where_it_is_planned_and_nowhere_else() -> None:
    shop = make_shop(ONE_PLANNED)
    anna = add_customer(shop, IDENTITY)
    make_plan(shop, ("bread.email", 0), customer=anna)

    decision = decide(shop, "second_newsletter", "newsletter")

    assert shown(decision) == [("second_newsletter", "wine.email"), ("newsletter", "bread.email")]
    codes = [one.reason_codes for one in decision.recommendations]
    assert ["planned" in each for each in codes] == [False, True]
    assert shown(shop.explain(decision.decision_id).decision) == shown(decision)


def test_what_is_planned_in_one_placement_has_no_name_for_it_in_another() -> None:
    shop = make_shop(ONE_PLANNED)
    anna = add_customer(shop, IDENTITY)
    make_plan(shop, ("wine.email", 0), customer=anna, prices={"budget": (60.0,) * 4})

    decision = decide(shop, "second_newsletter", "newsletter")

    # the same form is worth something in both; at 1.2 for an e-mail all the same, elsewhere at no price
    first, second = decision.recommendations
    assert (first.placement, second.placement) == ("second_newsletter", "newsletter")
    assert (first.treatment, second.treatment) == ("milk.email", "wine.email")
    assert "planned" not in first.reason_codes
    assert round(first.score, 9) == 2.98


def test_the_plans_prices_hold_in_planned_placements_only_whatever_else_is_asked() -> None:
    shop = make_shop(ONE_PLANNED)
    anna = add_customer(shop, IDENTITY)
    make_plan(shop, ("bread.email", 0), customer=anna, prices={"budget": (9.0,) * 4})

    alone = decide(shop, "letter")
    beside = decide(shop, "newsletter", "letter")

    assert shown(alone) == [("letter", "wine.letter")]
    assert shown(beside) == [("newsletter", "bread.email"), ("letter", "wine.letter")]
    assert beside.recommendations[1].score == alone.recommendations[0].score
    log = shop.log.read(beside.decision_id)
    assert log is not None
    assert log.prices == {}
    told = shop.explain(beside.decision_id)
    letter = next(t for t in told.candidates if t.treatment == "wine.letter")
    assert "price" not in letter.columns or letter.columns["price"] == 0.0
    assert "Advertising budget" not in letter.text
    dear = shop.what_if(beside.decision_id, [Change(kind="price", target="budget", value=99.0)])
    assert ("letter", "nothing.post") in shown(dear.decision)
    assert ("newsletter", "bread.email") in shown(dear.decision)


@pytest.mark.parametrize("simulated", [True, False])
def test_what_arrives_late_hides_nothing_that_happened_since_the_plan(*, simulated: bool) -> None:
    shop = make_shop(store=FakeStore(simulated=simulated))
    shop._clock = lambda: NOON
    add_customer(shop, IDENTITY)
    make_plan(shop)
    record(shop, "visit", START - 2 * DAY)
    assert not shop.contact_plan(IDENTITY, time=NOON).replanned
    record(shop, "purchase", NOON)
    record(shop, "visit", START - DAY)

    for _ in range(2):
        current = shop.contact_plan(IDENTITY, time=NOON + 60.0)
        assert current.replanned
        assert len(current.plan.contacts) == 3


def test_a_merge_brings_what_happened_since_the_plan() -> None:
    shop = make_shop()
    add_customer(shop, IDENTITY)
    add_customer(shop, "web:1")
    make_plan(shop)
    happened = Interaction(
        interaction_id="w", identity="web:1", type="purchase", time=NOON, recommendation_id=""
    )
    shop.record([happened])
    record(shop, "visit", START - DAY)
    assert not shop.contact_plan(IDENTITY, time=NOON + 60.0).replanned

    shop.link_identities(LinkRequest(identities=(IDENTITY, "web:1")))

    assert shop.contact_plan(IDENTITY, time=NOON + 60.0).replanned


def test_a_plan_that_is_still_being_written_leaves_the_one_in_force() -> None:
    shop = make_shop()
    anna = add_customer(shop, IDENTITY)
    make_plan(shop, ("bread.email", 0), customer=anna)
    stored = shop.contact_plan(IDENTITY, time=NOON).plan
    following = CustomerPlan(plan="plan-2", made=START + 60.0, before=stored)
    attributes = {PLAN_ATTRIBUTE: encode_customer_plan(following)}
    update = ProfileUpdate(identity=IDENTITY, attributes=attributes, customer_id=anna.customer_id)
    shop.store.bulk(updates=[update], now=START)

    assert shop.contact_plan(IDENTITY, time=NOON).plan == stored
    assert shown(decide(shop)) == [("newsletter", "bread.email")]
