"""From `nba plan` to what a decision recommends: one plan, by the same code all the way."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from nba_engine.app import open_app
from nba_engine.app.contact_plans import offers
from nba_engine.domain import DecisionRequest, Interaction, PlacementRequest, ProfileUpdate
from nba_engine.store import open_store

if TYPE_CHECKING:
    from tests.cli.conftest import Nba

MONDAY = 1_510_527_600.0  # 13 November 2017, midnight in Berlin
WEEK = 7 * 86_400.0
SHOP = """
[attributes.liking]
type = "double"
[channels.email]
name = "E-mail"
direction = "outbound"
[placements.newsletter]
channel = "email"
[limits.emails]
name = "E-mails"
measure = "contacts"
amount = 2
window = "week"
applies_to = { channels = ["email"] }
[actions.milk]
name = "Milk"
prior = 0.3
value = "customer.liking * 10.0"
treatments.email = { channel = "email", cost = 0.02 }
[actions.tea]
name = "Tea"
prior = 0.2
value = "12.0 - customer.liking * 9.0"
treatments.email = { channel = "email", cost = 0.02 }
[contact_plan]
period = "7d"
periods = 3
most_contacts = 2
diminishing = 0.8
only_planned = true
"""


BATCH = '\n[batch]\nsettings = { workers = 1, workers_are = "threads" }\n'


@pytest.fixture
def planned(shop: Path, nba: Nba) -> Path:
    """Four customers, of whom two get an e-mail in each week."""
    (shop.parent / "data").mkdir()
    before, slate = shop.read_text().split('[[pipeline]]\nstage = "arbitration"')
    follows = '[[pipeline]]\nstage = "contact_plan"\n[[pipeline]]\nstage = "arbitration"'
    shop.write_text(before + follows + slate + BATCH)
    with (shop.parent / "catalog" / "shop.toml").open("a") as file:
        file.write(SHOP)
    open_store(shop.parent / "data" / "nba.db", simulated=True).close()
    with open_app(shop, environ={}) as app:
        app.engine.load(
            updates=[
                ProfileUpdate(identity=f"crm:{number}", attributes={"liking": number / 4})
                for number in range(4)
            ]
        )
    out = shop.parent / "plan"
    assert nba("plan", "-s", shop, "--out", out, "--time", "2017-11-13T09:00") == 0, nba.err
    offers._opened.clear()
    return shop


def show(nba: Nba, settings: Path, identity: str, time: str = "2017-11-14T09:00") -> Any:
    assert nba("plan", "show", identity, "-s", settings, "--time", time, "--json") == 0, nba.err
    return json.loads(nba.out)


def test_what_nba_plan_planned_is_shown_and_decided_and_what_happens_plans_anew(
    planned: Path, nba: Nba
) -> None:
    plans = {number: show(nba, planned, f"crm:{number}") for number in range(4)}
    due = {
        number: one["contacts"][0]["treatment"]
        for number, one in plans.items()
        if one["contacts"] and one["contacts"][0]["period"] == 0
    }
    assert len(due) == 2  # as many as the limit has in the week
    assert not any(one["replanned"] for one in plans.values())
    assert len(plans[0]["prices"]["emails"]) == 3

    with open_app(planned, environ={}) as app:
        engine = app.engine
        for number in range(4):
            decision = engine.decide(
                DecisionRequest(
                    identity=f"crm:{number}",
                    placements=(PlacementRequest("newsletter"),),
                    time=MONDAY + 86_400.0,
                    seed=number,
                )
            )
            (shown,) = decision.recommendations
            assert shown.treatment == due.get(number, "nothing.email")
            assert ("planned" in shown.reason_codes) == (number in due)
            if number in due:
                told = engine.explain(decision.decision_id)
                assert "in the week of 13 November, at the plan's prices" in " ".join(
                    told.sentences
                )
                got = Interaction(
                    interaction_id=f"i{number}",
                    identity=f"crm:{number}",
                    type="impression",
                    time=MONDAY + 90_000.0,
                    recommendation_id=shown.recommendation_id,
                )
                assert engine.record([got])[0].reservation == "confirmed"

    for number, treatment in due.items():
        anew = show(nba, planned, f"crm:{number}", "2017-11-15T09:00")
        assert anew["replanned"]
        assert len(anew["contacts"]) <= 1  # one of two is made
        assert all(one["period"] > 0 for one in anew["contacts"])
        assert all(one["treatment"] != treatment for one in anew["contacts"])


def test_a_plan_is_shown_to_people_and_why_there_is_none_to_show(planned: Path, nba: Nba) -> None:
    busy = next(n for n in range(4) if len(show(nba, planned, f"crm:{n}")["contacts"]) == 2)
    assert nba("plan", "show", f"crm:{busy}", "-s", planned, "--time", "2017-11-14T09:00") == 0
    assert "milk.email" in nba.out
    assert "0.02 EUR" in nba.out
    assert "until 4 December 2017" in nba.out
    assert nba("plan", "show", "crm:nobody", "-s", planned) == 1
    assert "no customer is known as crm:nobody" in nba.err
    assert nba("plan", "show", "crm:1", "-s", planned, "--time", "2018-01-01") == 1
    assert "ended at 2017-12-03 23:00 UTC: nba plan makes another" in nba.err
