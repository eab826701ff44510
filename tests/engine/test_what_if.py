from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from nba_engine.domain import Change, ChangeKind, Deciding, Decision, Explanation, Interaction
from nba_engine.engine import Engine
from nba_engine.errors import InvalidRequest
from tests.engine.world import CATALOG, DAY, NOON, STAGES, ask, shop
from tests.pipeline.faulty import Doing, factory


def chosen(explanation: Explanation) -> list[str]:
    return chosen_by(explanation.decision)


def chosen_by(decision: Decision) -> list[str]:
    return [one.treatment for one in decision.recommendations]


def what_if(engine: Engine, decision_id: str, *changes: tuple[ChangeKind, str, Any]) -> list[str]:
    made = [Change(kind=kind, target=target, value=value) for kind, target, value in changes]
    return chosen(engine.what_if(decision_id, made))


def test_without_changes_the_answer_is_the_same_and_nothing_is_reserved(tmp_path: Path) -> None:
    with shop(tmp_path) as engine:
        decision = engine.decide(ask("crm:1", "banner", "newsletter"))
        before = list(engine.store.usage_report())
        assert what_if(engine, decision.decision_id) == [
            one.treatment for one in decision.recommendations
        ]
        assert list(engine.store.usage_report()) == before


def test_an_attribute_lets_a_candidate_pass_its_rule(tmp_path: Path) -> None:
    with shop(tmp_path) as engine:
        decision = engine.decide(ask("crm:2", slots=3))
        assert "wine.app" not in {one.treatment for one in decision.recommendations}
        assert "wine.app" in what_if(engine, decision.decision_id, ("attribute", "age", 18))
        unknown = engine.decide(ask("crm:77", slots=3))
        assert "wine.app" in what_if(engine, unknown.decision_id, ("attribute", "age", 18))
        adult = engine.decide(ask("crm:1", slots=3))
        assert "wine.app" not in what_if(engine, adult.decision_id, ("attribute", "age", None))


def test_an_aggregate_can_be_supposed_like_an_attribute(tmp_path: Path) -> None:
    catalog = CATALOG.replace("customer.age >= 18", "customer.purchases >= 3")
    with shop(tmp_path, catalog=catalog) as engine:
        decision = engine.decide(ask("crm:1", slots=3))
        assert "wine.app" not in {one.treatment for one in decision.recommendations}
        assert "wine.app" in what_if(engine, decision.decision_id, ("attribute", "purchases", 3))


def test_context_can_be_set_and_taken_away(tmp_path: Path) -> None:
    with shop(tmp_path) as engine:
        decision = engine.decide(ask("crm:1", cart=["MILK"]))
        assert "milk.app" not in {one.treatment for one in decision.recommendations}
        assert "milk.app" in what_if(engine, decision.decision_id, ("context", "cart", []))
        assert "milk.app" in what_if(engine, decision.decision_id, ("context", "cart", None))


def test_a_later_time_ends_ownership(tmp_path: Path) -> None:
    bought = Interaction(
        interaction_id="i",
        identity="crm:1",
        type="purchase",
        time=NOON - DAY,
        properties={"category": "MILK"},
    )
    with shop(tmp_path) as engine:
        engine.record([bought])
        decision = engine.decide(ask("crm:1"))
        assert "milk.app" not in {one.treatment for one in decision.recommendations}
        assert "milk.app" in what_if(engine, decision.decision_id, ("time", "", NOON + 14 * DAY))


def test_consent_and_a_better_hour_open_an_outbound_channel(tmp_path: Path) -> None:
    with shop(tmp_path) as engine:
        decision = engine.decide(ask("crm:2", "newsletter", time=NOON + DAY / 2.4))  # 22:00
        assert [one.action for one in decision.recommendations] == ["nothing"]
        morning = NOON + DAY
        consent: tuple[ChangeKind, str, Any] = ("consent", "marketing:email", None)
        assert what_if(engine, decision.decision_id, consent) == ["nothing.email"]
        assert what_if(engine, decision.decision_id, consent, ("time", "", morning)) == [
            "cereal.email"
        ]
        listed: tuple[ChangeKind, str, Any] = ("attribute", "consents", ["marketing:email"])
        assert what_if(engine, decision.decision_id, listed, ("time", "", morning)) == [
            "cereal.email"
        ]


def test_a_raised_limit_lets_through_what_it_held_back(tmp_path: Path) -> None:
    with shop(tmp_path) as engine:
        engine.decide(ask("crm:1", "newsletter"))
        second = engine.decide(ask("crm:1", "newsletter"))
        assert second.dropped["contact_policy/limit_exhausted"] > 0
        assert what_if(engine, second.decision_id, ("limit", "email_week", 1)) == ["nothing.email"]
        assert what_if(engine, second.decision_id, ("limit", "email_week", 2)) == ["cereal.email"]


def test_limits_that_the_decision_never_read_are_read_from_the_store(tmp_path: Path) -> None:
    with shop(tmp_path) as engine:
        night = engine.decide(ask("crm:1", "newsletter", time=NOON + 10 * 3600))
        assert night.dropped.get("contact_policy/quiet_hours")
        engine.decide(ask("crm:1", "newsletter", time=NOON + DAY))
        morning: tuple[ChangeKind, str, Any] = ("time", "", NOON + DAY)
        assert what_if(engine, night.decision_id, morning) == ["nothing.email"]


def test_a_lever_turns_the_ranking(tmp_path: Path) -> None:
    with shop(tmp_path) as engine:
        decision = engine.decide(ask("crm:1"))
        lever: tuple[ChangeKind, str, Any] = ("lever", "bread.app", 100.0)
        assert what_if(engine, decision.decision_id, lever)[0] == "bread.app"
        again = engine.decide(ask("crm:1"))  # the catalog in force is untouched
    assert [o.treatment for o in again.recommendations] == [
        o.treatment for o in decision.recommendations
    ]


def test_what_the_ledger_refused_meanwhile_is_refused_unless_the_limit_is_raised(
    tmp_path: Path,
) -> None:
    def meanwhile(_deciding: object) -> None:
        if stage.calls == 1:  # another decision takes the room between reading and reserving
            engine.decide(ask("crm:1", "newsletter"))

    stage = Doing(meanwhile)
    stages = (*STAGES[:-1], "meanwhile", "slate")
    with shop(tmp_path, stages=stages, meanwhile=factory(stage)) as engine:
        decision = engine.decide(ask("crm:1", "newsletter"))
        assert decision.dropped["slate/limit_refused"] > 0
        assert engine.explain(decision.decision_id).decision == decision
        assert what_if(engine, decision.decision_id) == ["nothing.email"]
        raised: tuple[ChangeKind, str, Any] = ("limit", "email_week", 2)
        assert what_if(engine, decision.decision_id, raised) == ["cereal.email"]


def test_leaving_the_control_group_brings_recommendations(tmp_path: Path) -> None:
    catalog = CATALOG + "\n[control_group]\nshare = 1.0\n"
    with shop(tmp_path, catalog=catalog) as engine:
        decision = engine.decide(ask("crm:1"))
        assert [one.action for one in decision.recommendations] == ["nothing"]
        leave: tuple[ChangeKind, str, Any] = ("control_group", "", None)
        assert what_if(engine, decision.decision_id, leave) == ["cereal.app", "milk.app"]


def test_every_change_an_explanation_names_brings_the_candidate_past_its_stage(
    tmp_path: Path,
) -> None:
    applied = 0
    with shop(tmp_path) as engine:
        decision = engine.decide(
            ask("crm:2", "banner", "newsletter", time=NOON + 10 * 3600, cart=["MILK"])
        )
        for trace in engine.explain(decision.decision_id).candidates:
            if not trace.changes or trace.changes[0].kind == "none":
                continue
            then = engine.what_if(decision.decision_id, trace.changes)
            now = next(
                t
                for t in then.candidates
                if (t.treatment, t.placement) == (trace.treatment, trace.placement)
            )
            assert (now.stage, now.reason) != (trace.stage, trace.reason), trace
            applied += 1
    assert applied >= 5


@pytest.mark.parametrize(
    ("kind", "target", "value", "field"),
    [
        ("none", "", None, "changes[0].kind"),
        ("time", "", "noon", "changes[0].value"),
        ("limit", "email_week", float("nan"), "changes[0].value"),
        ("limit", "email_weak", 2, "changes[0].target"),
        ("lever", "bread.fax", 2.0, "changes[0].target"),
        ("attribute", "", 2, "changes[0].target"),
        ("attribute", "age", "old", "changes[0].value"),
        ("attribute", "age", 10**23, "changes[0].value"),
        ("attribute", "consents", 7, "changes[0].value"),
        ("lever", "bread.app", 10**400, "changes[0].value"),
        ("context", "wheather", "wet", "context[wheather]"),
    ],
)
def test_a_change_that_cannot_be_applied_is_refused(
    kind: ChangeKind, target: str, value: Any, field: str, tmp_path: Path
) -> None:
    with shop(tmp_path) as engine:
        decision = engine.decide(ask())
        with pytest.raises(InvalidRequest) as caught:
            what_if(engine, decision.decision_id, (kind, target, value))
    assert [violation.field for violation in caught.value.violations] == [field]


def test_what_others_reserve_between_two_passes_does_not_show(tmp_path: Path) -> None:
    in_a_week = msgspec.structs.replace(ask("crm:1", "newsletter"), time=NOON + 7 * DAY)
    to_come: list[bool] = []

    def others(_deciding: Deciding) -> None:
        if to_come and to_come.pop():
            assert chosen_by(engine.decide(in_a_week)) != ["nothing.email"]

    stages = (*STAGES, "others")
    with shop(tmp_path, stages=stages, others=factory(Doing(others))) as engine:
        made = engine.decide(ask("crm:1", "newsletter")).decision_id
        later = [Change(kind="time", value=NOON + 7 * DAY)]
        whole = engine.what_if(made, later)
        to_come[:] = [True, False]  # as it was; then the first of two passes
        told = engine.what_if(made, later, treatments=())
        assert not to_come
        full = engine.what_if(made, later)
    assert told.sentences == whole.sentences
    assert any("limit_exhausted" in one.reason for one in full.candidates)
