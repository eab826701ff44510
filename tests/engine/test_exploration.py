"""Exploration through the whole pipeline: what is logged is what happens.

The full form, over 100,000 decisions: `benchmarks/exploration.py`.
"""

from __future__ import annotations

import msgspec
import pytest

from benchmarks import exploration as world
from nba_engine.domain import DecisionRecord, DecisionRequest, PlacementRequest, Recommendation
from nba_engine.engine import repeat
from nba_engine.testing import make_engine
from nba_engine.testing.world import NOW

DECISIONS = 1_000


@pytest.fixture(scope="module")
def records() -> list[DecisionRecord]:
    return list(world.decide(range(DECISIONS)))


def test_candidates_come_up_as_often_as_the_log_says(records: list[DecisionRecord]) -> None:
    found = [case for record in records for case in world.cases(record)]
    told = world.fit(found)
    assert told.groups > 40
    assert told.p >= world.GATE


@pytest.mark.parametrize("words", world.CONTROLS)
def test_wrong_probabilities_do_not_pass(words: str, records: list[DecisionRecord]) -> None:
    found = [case for record in records for case in world.cases(record)]
    assert world.fit(found, world.CONTROLS[words]).p < world.GATE


def test_every_probability_is_the_one_by_hand_in_the_log_and_in_the_answer(
    records: list[DecisionRecord],
) -> None:
    for record in records:
        world.check_record(record)


def test_whatever_can_get_in_the_way_did(records: list[DecisionRecord]) -> None:
    draws = [draw for record in records for draw in record.draws]
    assert {draw.removed for draw in draws} == {
        "",
        "limit_refused",
        "limit_full",
        "render_failed",
    }
    shown = [r for record in records for r in record.recommendations]
    assert {r.treatment for r in shown} >= {"nothing.app", "nothing.feed", "a.small", "e.feed"}
    assert any("explored" in r.reason_codes for r in shown if r.action == "nothing")


def test_what_does_not_explore_has_the_probability_1(records: list[DecisionRecord]) -> None:
    for record in records:
        (side,) = [r for r in record.recommendations if r.placement == "side"]
        assert (side.treatment, side.selection_probability) == ("plain.side", 1.0)
        assert "explored" not in side.reason_codes


def test_explored_is_what_was_not_the_best_that_was_left(records: list[DecisionRecord]) -> None:
    for record in records:
        standing = {r.treatment: r for r in record.recommendations}
        for case in world.cases(record):
            shown = standing.get(case.treatment)
            if shown is None or shown.placement != case.moment.placement:
                continue
            scores = {t: world.SCORES.get(t[0], 0.0) for t in world.by_hand(case.moment)}
            best = scores.get(case.treatment, 0.0) == max(
                0.0 if t.startswith("nothing") else s for t, s in scores.items()
            )
            assert ("explored" in shown.reason_codes) is not best


def test_a_replay_draws_the_same_again() -> None:
    deciding = world.make_world()
    for seed in range(30):
        decision = deciding.decide(world.request_of(seed))
        record = deciding.log.read(decision.decision_id)
        assert record is not None
        assert repeat(deciding.catalogs.of(record), record).outcome == "identical"
        other = msgspec.structs.replace(record, seed=record.seed + 1000, draws=record.draws[:1])
        assert repeat(deciding.catalogs.of(record), other).outcome == "differs"


def test_a_customer_of_the_control_group_is_not_explored() -> None:
    files = {"world.toml": world.catalog() + "\n[control_group]\nshare = 1.0"}
    deciding = world.make_world(files)
    for seed in range(20):
        decision = deciding.decide(world.request_of(seed))
        assert {r.action for r in decision.recommendations} == {"nothing"}
        assert {r.selection_probability for r in decision.recommendations} == {1.0}
        assert all(r.reason_codes == () for r in decision.recommendations)


def test_what_a_filter_forbids_is_never_drawn() -> None:
    rule = """
[rules.no]
tier = "eligibility"
when = "customer.first_name == 'Ann'"
applies_to = { actions = ["b"] }
"""
    deciding = world.make_world({"world.toml": world.catalog() + rule})
    for seed in range(100):
        record = deciding.log.read(deciding.decide(world.request_of(seed)).decision_id)
        assert record is not None
        assert not {draw.treatment for draw in record.draws} & {"b.app", "b.feed"}


def test_what_is_not_worth_its_contact_is_never_drawn() -> None:
    text = world.catalog().replace('{ channel = "app"', '{ cost = 0.7, channel = "app"')
    deciding = world.make_world({"world.toml": text})
    for seed in range(100):
        record = deciding.log.read(deciding.decide(world.request_of(seed)).decision_id)
        assert record is not None
        assert "f.app" not in {draw.treatment for draw in record.draws}


def test_the_explanation_tells_the_probability() -> None:
    deciding = world.make_world()
    seen: set[str] = set()
    for seed in range(40):
        decision = deciding.decide(world.request_of(seed))
        explanation = deciding.explain(decision.decision_id)
        for one, told in zip(decision.recommendations, explanation.candidates, strict=False):
            assert told.columns["selection_probability"] == one.selection_probability
            if one.placement == "side":
                assert "drawn" not in told.text
                continue
            if one.action == "nothing" and not one.reason_codes:
                continue
            assert f"a probability of {one.selection_probability:.2%}" in told.text
            seen.update(one.reason_codes)
            if "explored" in one.reason_codes and one.action != "nothing":
                assert "it was tried out in order to learn" in told.text
    assert {"explored", "best_value"} <= seen


def test_equal_candidates_share_what_the_mixture_gives_to_the_best() -> None:
    text = """
[channels.app]
[placements.banner]
channel = "app"
exploration = { method = "epsilon", share = 0.3 }
[actions.nothing]
kind = "nothing"
[actions.one]
value = 1.0
treatments.app = { channel = "app" }
[actions.two]
value = 1.0
treatments.app = { channel = "app" }
"""
    deciding = make_engine({"catalog.toml": text})
    shown: list[Recommendation] = []
    for seed in range(200):
        asked = DecisionRequest(
            identity="crm:1", placements=(PlacementRequest("banner"),), time=NOW, seed=seed
        )
        shown += deciding.decide(asked).recommendations
    chances = {one.treatment: one.selection_probability for one in shown}
    assert chances == pytest.approx({"one.app": 0.45, "two.app": 0.45, "nothing.app": 0.1})
