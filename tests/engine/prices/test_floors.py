"""Minimums: what they add, that they are reached, and that they override nothing."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from benchmarks.floors import MONDAY as START
from benchmarks.floors import Shop, make_week, optimum
from nba_engine.domain import Change, Decision, DecisionRequest, PlacementRequest
from nba_engine.engine import Engine
from nba_engine.engine.prices import BONUS, MARK, CellPrice, PriceBook, PriceMark, price_rows
from nba_engine.settings import StageSettings
from nba_engine.testing import FakeStore, make_engine
from nba_engine.testing.world import NOW

CATALOG = """
[attributes]
age = { type = "int" }
[channels.letter]
name = "Letter"
[channels.email]
name = "E-mail"
[placements.mail]
channel = "email"
slots = 1
[actions.nothing]
kind = "nothing"
[actions.news]
name = "News"
prior = 0.4
value = 2.0
treatments.email = { channel = "email" }
[actions.survey]
name = "Survey"
prior = 0.1
value = 2.0
treatments.email = { channel = "email", cost = 0.3 }
[limits.surveys]
name = "Surveys"
measure = "contacts"
at_least = 500
window = "week"
applies_to = { actions = ["survey"] }
"""
FLOOR = "surveys|at_least"


def engine_at(bonus: float, *, used: int = 0, catalog: str = CATALOG) -> Engine:
    """An engine whose store has this bonus for surveys, after so many of them."""
    store = FakeStore()
    engine = make_engine(
        {"catalog.toml": catalog},
        pipeline=(
            "profile",
            "eligibility",
            "contact_policy",
            StageSettings(stage="propensity", settings={"model": ""}),
            "value",
            "arbitration",
            "slate",
        ),
        store=store,
    )
    window = next(iter(engine.prices.cells(engine.catalog))).period(NOW).key
    mark = PriceMark(NOW, {FLOOR: CellPrice(bonus, used, window)})
    store.bulk(now=NOW, progress=(MARK, msgspec.json.encode(mark).decode()))
    engine.prices.read(engine.catalog)
    return engine


def decide(engine: Engine, seed: int = 1) -> Decision:
    return engine.decide(
        DecisionRequest(
            identity="crm:1", placements=(PlacementRequest("mail", 1),), time=NOW, seed=seed
        )
    )


def shown(decision: Decision) -> dict[str, Any]:
    return {one.action: pytest.approx(one.score) for one in decision.recommendations}


@pytest.mark.parametrize(("share", "reached"), [(0.05, False), (0.25, True)])
def test_a_minimum_is_reached_at_nearly_what_the_linear_program_makes_of_it(
    share: float, reached: bool
) -> None:
    requests = 800
    least = int(requests * share)
    week = make_week(3, requests, START)
    best = optimum(week, least)
    assert (best.bonus > 0.2) == reached  # so many go out anyway, or they do not
    played = Shop(least).play(week)
    assert played.letters >= least
    assert 0.97 * best.value < played.value
    free = optimum(week, 0).value  # what the minimum costs is seen
    assert played.value < (free if reached else free + 1e-9)


def test_what_cannot_be_reached_has_a_bonus_with_a_bound_and_says_so() -> None:
    requests = 500
    shop = Shop(2 * requests)
    played = shop.play(make_week(3, requests, START))
    (cell,) = shop.book.cells(shop.catalog)
    assert played.bonus == shop.book.most(cell) == BONUS * cell.scale
    rows = price_rows(shop.book, shop.catalog, shop.store, START + 6 * 86_400.0)
    (row,) = rows
    assert row.floor
    assert row.price == row.most
    assert row.used == played.letters < row.planned


def test_the_next_window_begins_with_the_bonus_although_the_last_one_was_reached() -> None:
    shop = Shop(100)
    shop.play(make_week(3, 500, START))
    book = shop.book
    before = book.mark.cells["letters|at_least"]
    assert before.used >= 100
    assert before.price > 0.0
    assert book.current == {}  # nothing is added any more
    book.step(shop.catalog, START + 7 * 86_400.0 + 60.0)
    assert book.current["letters|at_least"] > 0.5 * before.price


def test_a_bonus_lifts_what_is_behind_its_minimum_and_the_sum_is_told() -> None:
    assert shown(decide(engine_at(0.0))) == {"news": 0.8}
    engine = engine_at(1.2)
    decision = decide(engine)
    assert shown(decision) == {"survey": 1.1}
    told = " ".join(engine.explain(decision.decision_id).sentences)
    minimum = "the minimum of 500 contacts this week (“Surveys”)"
    assert f"less 0.30 USD for the contact plus 1.20 USD for {minimum} leaves" in told
    assert f"; {minimum} adds 1.20 USD to “Survey” by E-mail" in told


def test_what_is_not_worth_its_contact_although_a_minimum_adds_to_it_says_both() -> None:
    engine = engine_at(0.05)
    decision = decide(engine)
    told = " ".join(engine.explain(decision.decision_id).sentences)
    assert "+ 0.05 USD for the minimum of 500 contacts this week (“Surveys”) = -0.05 USD" in told


def test_bonuses_are_on_record_and_replayed_and_asked_what_if() -> None:
    engine = engine_at(1.2)
    decision = decide(engine)
    record = engine.log.read(decision.decision_id)
    assert record is not None
    assert record.prices == {FLOOR: 1.2}
    engine.prices.current = {}
    explanation = engine.explain(decision.decision_id)
    assert explanation.decision == decision
    columns = next(one.columns for one in explanation.candidates if one.action == "survey")
    assert columns["price"] == pytest.approx(-1.2)
    change = Change(kind="price", target=FLOOR, value=0.5)
    supposed = engine.what_if(decision.decision_id, [change]).decision
    assert shown(supposed) == {"news": 0.8}


def test_what_was_reached_gets_nothing_added() -> None:
    assert shown(decide(engine_at(1.2, used=499))) == {"survey": 1.1}
    assert shown(decide(engine_at(1.2, used=500))) == {"news": 0.8}


def test_no_bonus_overrides_a_rule_or_an_amount() -> None:
    never = '[rules.adults]\ntier = "eligibility"\nwhen = "customer.age >= 18"\n'
    never += 'applies_to = { actions = ["survey"] }\n'
    assert shown(decide(engine_at(9.0, catalog=CATALOG + never))) == {"news": 0.8}
    capped = CATALOG + '[limits.few]\nmeasure = "contacts"\namount = 1\nwindow = "day"\n'
    capped += 'applies_to = { actions = ["survey"] }\n'
    engine = engine_at(9.0, catalog=capped)
    assert [*shown(decide(engine)), *shown(decide(engine, 2))] == ["survey", "news"]


def test_a_limit_may_have_an_amount_a_price_and_a_minimum() -> None:
    both = CATALOG.replace("at_least = 500", 'amount = 900\npace = "even"\nat_least = 500')
    store = FakeStore()
    engine = make_engine({"catalog.toml": both}, store=store)
    cells = PriceBook(store).cells(engine.catalog)
    assert [(one.name, one.amount, one.floor) for one in cells] == [
        ("surveys", 900.0, False),
        (FLOOR, 500.0, True),
    ]
