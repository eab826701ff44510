"""What stages computed, and which control groups a customer is in, as explanations tell it."""

from __future__ import annotations

from pathlib import Path

from nba_engine.domain import Deciding
from tests.engine.world import CATALOG, NOON, STAGES, ask, shop
from tests.pipeline.faulty import Doing, factory

HELD_BACK = """
[control_groups.wine]
name = "Wine, held back"
share = 1.0
applies_to = { actions = ["wine"] }
"""


def test_the_treatment_score_of_what_is_recommended_and_of_what_is_not(tmp_path: Path) -> None:
    def act(deciding: Deciding) -> None:
        candidates = deciding.candidates
        candidates["treatment_score"] = candidates["propensity"] / 2

    at = STAGES.index("value")
    stages = (*STAGES[:at], "scoring", *STAGES[at:])
    with shop(tmp_path, stages=stages, scoring=factory(Doing(act))) as engine:
        told = engine.explain(engine.decide(ask("crm:1", "banner", time=NOON)).decision_id)
    scored = [one for one in told.candidates if "score" in one.columns]
    assert {bool(one.stage) for one in scored} == {True, False}
    for one in scored:
        assert one.columns["treatment_score"] == one.columns["propensity"] / 2
    first = told.decision.recommendations[0]
    sentences = [one for one in told.sentences if "treatment score" in one]
    assert len(sentences) == len(told.decision.recommendations)
    assert sentences[0].endswith(f" in banner with {first.propensity / 2:.1%}.")


def test_the_control_groups_of_the_customer_are_part_of_the_answer_and_told(tmp_path: Path) -> None:
    with shop(tmp_path, catalog=CATALOG + HELD_BACK) as engine:
        decision = engine.decide(ask("crm:1", time=NOON))
        assert decision.control_groups == ("wine",)
        told = engine.explain(decision.decision_id)
    assert told.decision.control_groups == ("wine",)
    assert (
        "The customer is in the control group “Wine, held back”, and never gets what that is about."
    ) in told.sentences
