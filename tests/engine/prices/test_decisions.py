"""Decisions at prices: steered, logged, explained, replayed, asked what if."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from nba_engine.domain import Change, Decision, DecisionRequest, PlacementRequest
from nba_engine.engine import Engine
from nba_engine.engine.prices import MARK, CellPrice, PriceMark
from nba_engine.errors import InvalidRequest
from nba_engine.settings import StageSettings
from nba_engine.testing import FakeStore, make_engine
from nba_engine.testing.world import NOW

CATALOG = """
[channels.letter]
name = "Letter"
[channels.email]
name = "E-mail"
[placements.post]
channel = "letter"
[placements.mail]
channel = "email"
slots = 2
[actions.nothing]
kind = "nothing"
[actions.coupon]
name = "Coupon"
campaign = "autumn"
prior = 0.5
value = 2.0
treatments.email = { channel = "email", cost = 0.1 }
[actions.news]
name = "News"
prior = 0.4
value = 2.0
treatments.email = { channel = "email" }
[actions.tips]
name = "Tips"
prior = 0.05
value = 2.0
treatments.email = { channel = "email" }
[limits.budget]
name = "Autumn budget"
scope = ["campaign"]
measure = "money"
amount = 100
window = "week"
pace = "even"
applies_to = { campaigns = ["autumn"] }
[limits.mails]
name = "Mails a day"
measure = "contacts"
amount = 1000
window = "day"
pace = "even"
"""


def engine_at(**prices: float) -> Engine:
    """An engine whose store has these prices: budget (per money), mails (per contact)."""
    store = FakeStore()
    names = {"budget": "budget|campaign=autumn", "mails": "mails"}
    cells = {names[name]: CellPrice(price, 0, "") for name, price in prices.items()}
    store.bulk(now=NOW, progress=(MARK, msgspec.json.encode(PriceMark(NOW, cells)).decode()))
    model = StageSettings(stage="propensity", settings={"model": ""})
    engine = make_engine(
        {"catalog.toml": CATALOG},
        pipeline=(
            "profile",
            "eligibility",
            "contact_policy",
            model,
            "value",
            "arbitration",
            "slate",
        ),
        store=store,
    )
    engine.prices.read(engine.catalog)
    return engine


def decide(engine: Engine, slots: int = 2) -> Decision:
    places = (PlacementRequest("mail", slots),)
    return engine.decide(DecisionRequest(identity="crm:1", placements=places, time=NOW, seed=1))


def shown(decision: Decision) -> dict[str, Any]:
    return {one.action: pytest.approx(one.score) for one in decision.recommendations}


def test_without_prices_the_most_valuable_is_first() -> None:
    engine = engine_at()
    decision = decide(engine)
    assert shown(decision) == {"coupon": 0.9, "news": 0.8}
    assert "less" not in engine.explain(decision.decision_id).sentences[1].replace(
        "less 0.10 USD for the contact", ""
    )


def test_a_price_moves_what_uses_much_below_what_uses_little() -> None:
    engine = engine_at(budget=4.2)
    decision = decide(engine, slots=1)
    assert shown(decision) == {"news": 0.8}
    told = " ".join(engine.explain(decision.decision_id).sentences)
    assert (
        "the price of “Autumn budget” (0.42 USD for this contact) moved it below “News” by E-mail"
        in told
    )


def test_what_is_not_worth_its_price_falls_out_and_the_sum_is_told() -> None:
    engine = engine_at(mails=0.2)
    decision = decide(engine)
    assert shown(decision) == {"coupon": 0.7, "news": 0.6}
    told = " ".join(engine.explain(decision.decision_id).sentences)
    assert "- 0.20 USD for the limit “Mails a day” = -0.10 USD" in told
    assert "less 0.10 USD for the contact less 0.20 USD for the limit “Mails a day” leaves" in told


def test_the_log_has_the_prices_and_a_replay_keeps_to_them() -> None:
    engine = engine_at(budget=4.2, mails=0.1)
    decision = decide(engine)
    record = engine.log.read(decision.decision_id)
    assert record is not None
    assert record.prices == {"budget|campaign=autumn": 4.2, "mails": 0.1}
    engine.prices.current = {"mails": 99.0}  # much has changed since
    explanation = engine.explain(decision.decision_id)
    assert explanation.decision == decision
    columns = next(one.columns for one in explanation.candidates if one.action == "coupon")
    assert columns["price"] == pytest.approx(0.52)


def test_what_if_a_price_were_another() -> None:
    engine = engine_at(budget=4.2)
    decision = decide(engine, slots=1)

    def first(target: str, price: float) -> str:
        change = Change(kind="price", target=target, value=price)
        supposed = engine.what_if(decision.decision_id, [change]).decision
        return supposed.recommendations[0].action

    assert first("budget", 0.5) == first("budget|campaign=autumn", 0.0) == "coupon"
    assert first("budget", 5.0) == "news"
    assert first("mails", 3.0) == "nothing"


@pytest.mark.parametrize(("target", "price"), [("budgett", 1.0), ("mails", -1.0)])
def test_a_price_of_nothing_known_and_one_below_zero_are_refused(target: str, price: float) -> None:
    engine = engine_at()
    decision = decide(engine)
    with pytest.raises(InvalidRequest):
        engine.what_if(decision.decision_id, [Change(kind="price", target=target, value=price)])
