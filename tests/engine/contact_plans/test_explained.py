"""What would bring a contact in that is not planned for now."""

from __future__ import annotations

import pytest

from nba_engine.domain import (
    CandidateTrace,
    DecisionRequest,
    Explanation,
    PlacementRequest,
    PlannedContact,
)
from nba_engine.stages.contact_plan.wording import turn_of
from tests.engine.contact_plans.world import (
    CATALOG,
    DAY,
    IDENTITY,
    START,
    add_customer,
    make_plan,
    make_shop,
)

ONLY_PLANNED = CATALOG + "only_planned = true\n"


def told(explanation: Explanation, treatment: str) -> CandidateTrace:
    (found,) = [one for one in explanation.candidates if one.treatment == treatment]
    return found


@pytest.mark.parametrize("hour", [8.0, 12.0, 20.5])
def test_what_is_planned_for_later_is_decided_then_whatever_hours_are_quiet(hour: float) -> None:
    shop = make_shop(ONLY_PLANNED)
    anna = add_customer(shop, IDENTITY)
    make_plan(shop, ("bread.email", 0), ("milk.email", 2), customer=anna)
    request = DecisionRequest(
        identity=IDENTITY,
        placements=(PlacementRequest("newsletter"),),
        time=START + DAY + hour * 3_600.0,
        seed=1,
    )

    explanation = shop.explain(shop.decide(request).decision_id)

    milk = told(explanation, "milk.email")
    assert (milk.stage, milk.reason) == ("contact_plan", "not_planned")
    then = shop.what_if(explanation.decision.decision_id, milk.changes)
    (shown,) = then.decision.recommendations
    assert shown.treatment == "milk.email"
    assert "planned" in shown.reason_codes
    (change,) = told(explanation, "wine.email").changes
    assert (change.kind, change.text) == ("none", "it would have to be planned (nba plan)")


@pytest.mark.parametrize(
    ("starts", "ends", "now", "turn"),
    [
        (7.0, 14.0, 0.5, 7.5),  # midnight to midnight
        (7.6, 14.6, 0.5, 8.5),  # that hour of the first day is before its beginning
        (7.6, 7.8, 0.5, 7.6),  # no such hour
        (7.6, 8.0, 0.7, 7.7),
    ],
)
def test_the_turn_of_a_contact_is_at_the_same_hour_within_its_period(
    starts: float, ends: float, now: float, turn: float
) -> None:
    contact = PlannedContact(
        period=1,
        starts=START + starts * DAY,
        ends=START + ends * DAY,
        action="milk",
        treatment="milk.email",
        channel="email",
        value=1.0,
        cost=0.0,
        reason="best_at_prices",
    )
    assert turn_of(make_shop().catalog, contact, START + now * DAY) == START + turn * DAY
