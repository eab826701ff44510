"""New actions learn from outcomes, without training."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from nba_engine.domain import (
    CatalogView,
    Decision,
    DecisionRequest,
    EvidenceSpec,
    Interaction,
    ModelFactory,
    PlacementRequest,
    Tally,
)
from nba_engine.engine import Engine, candidates_of, repeat
from nba_engine.engine.evidence import MARK, EvidenceBook, decision_times
from nba_engine.errors import Unavailable
from nba_engine.settings import StageSettings
from nba_engine.stages.smoothing import group_rate, smoothed
from nba_engine.testing import FakeStore, FixedScorer, make_engine
from nba_engine.testing.world import NOW

CATALOG = """
[evidence]
start = 63
group = 100
[channels.app]
[placements.banner]
channel = "app"
slots = 3
[actions.nothing]
kind = "nothing"
[actions.old]
group = "dairy"
prior = 0.2
value = 1.0
treatments.app = { channel = "app" }
[actions.new]
name = "New"
group = "dairy"
prior = 0.2
value = 1.0
treatments.app = { channel = "app" }
[actions.alone]
prior = 0.1
value = 1.0
treatments.app = { channel = "app" }
"""
STAGES = ("profile", "eligibility", "contact_policy")


def make(text: str = CATALOG, store: FakeStore | None = None) -> Engine:
    model = StageSettings(stage="propensity", settings={"model": ""})
    return make_engine(
        {"catalog.toml": text},
        pipeline=(*STAGES, model, "value", "arbitration", "slate"),
        store=store,
    )


def decide(engine: Engine, who: int = 1) -> Decision:
    places = (PlacementRequest("banner"),)
    return engine.decide(
        DecisionRequest(identity=f"crm:{who}", placements=places, time=NOW, seed=1)
    )


def answer(engine: Engine, decision: Decision, action: str, *types: str, key: str = "") -> None:
    """What became of the recommendation of an action."""
    (shown,) = [r for r in decision.recommendations if r.action == action]
    results = engine.record(
        [
            Interaction(
                interaction_id=f"{shown.recommendation_id}/{kind}{key}",
                identity="crm:1",
                type=kind,
                time=NOW,
                recommendation_id=shown.recommendation_id,
            )
            for kind in types
        ]
    )
    assert {one.status for one in results} <= {"recorded", "duplicate"}


def count(engine: Engine) -> None:
    while engine.evidence.step(engine.catalog):
        pass


def propensities(decision: Decision) -> dict[str, float]:
    return {r.action: r.propensity for r in decision.recommendations}


SPEC = EvidenceSpec(start=63, group=100)


def test_the_formula_is_the_published_one() -> None:
    assert smoothed(SPEC, Tally(37, 10), 0.2) == pytest.approx(
        63 / 101 * 0.2 + 37 / 101 * (10 / 37)
    )
    assert group_rate(SPEC, 0.2, Tally()) == pytest.approx(0.2)
    assert group_rate(SPEC, 0.2, Tally(300, 90)) == pytest.approx((20 + 90) / 400)


def test_without_any_outcome_the_prior_counts() -> None:
    found = propensities(decide(make()))
    assert found == pytest.approx({"old": 63 / 64 * 0.2, "new": 63 / 64 * 0.2, "alone": 6.3 / 64})


def test_the_first_outcome_counts_for_the_action_and_for_its_group() -> None:
    engine = make()
    answer(engine, decide(engine), "old", "impression", "accept")
    count(engine)
    assert engine.evidence.current.actions == {"old": Tally(1, 1)}
    found = propensities(decide(engine))
    assert found["old"] == pytest.approx(63 / 65 * 0.2 + 1 / 65)
    assert found["new"] == pytest.approx(63 / 64 * (20 + 1) / 101)
    assert found["alone"] == pytest.approx(6.3 / 64)


def test_a_recommendation_is_one_contact_however_often_it_is_named() -> None:
    engine = make()
    decision = decide(engine)
    answer(engine, decision, "new", "impression")
    count(engine)
    answer(engine, decision, "new", "impression")  # a repeat
    answer(engine, decision, "new", "impression", "click", "accept", key="again")
    count(engine)
    answer(engine, decision, "new", "accept", "delivery", key="and again")
    answer(engine, decision, "alone", "reject")
    count(engine)
    assert engine.evidence.current.actions == {"new": Tally(1, 1), "alone": Tally(1, 0)}


def test_what_the_catalog_calls_an_outcome_counts() -> None:
    text = CATALOG + '[outcomes.all]\npositive = ["click"]\nwithin = "7d"\nshown_by = ["view"]'
    engine = make(text)
    decision = decide(engine)
    answer(engine, decision, "new", "view", "click")
    answer(engine, decision, "old", "impression", "accept")
    count(engine)
    assert engine.evidence.current.actions == {"new": Tally(1, 1)}


def test_several_processes_count_together_and_nothing_twice() -> None:
    store = FakeStore()
    engine = make(store=store)
    decided = decision_times(store, engine.log)
    books = [EvidenceBook(store, clock=lambda: NOW, decided=decided) for _ in range(3)]
    for who in range(40):
        answer(engine, decide(engine, who), "new", "impression", *["accept"] * (who % 4 == 0))
        books[who % 3].step(engine.catalog)
    for book in books * 3:
        book.step(engine.catalog)
    assert [book.current.actions for book in books] == [{"new": Tally(40, 10)}] * 3


def test_one_who_dies_before_the_commit_has_counted_nothing() -> None:
    class Dying(FakeStore):
        """Goes away when something is to be noted."""

        dying = False

        def bulk(self, **changes: object) -> list[object]:  # type: ignore[override]
            if self.dying:
                raise Unavailable("gone")
            return list(super().bulk(**changes))  # type: ignore[arg-type]

    store = Dying()
    engine = make(store=store)
    answer(engine, decide(engine), "new", "impression", "accept")
    store.dying = True
    with pytest.raises(Unavailable):
        count(engine)
    assert engine.evidence.current.actions == {}
    store.dying = False
    count(engine)
    count(engine)
    assert engine.evidence.current.actions == {"new": Tally(1, 1)}


def test_what_counts_for_nothing_moves_no_mark() -> None:
    engine = make()
    engine.record(
        [
            Interaction(interaction_id=f"v{n}", identity="crm:1", type="view", time=NOW)
            for n in range(50)
        ]
    )
    count(engine)
    assert engine.store.progress(MARK) is None


class Half(FixedScorer):
    """A model that was trained on one of the actions."""

    trained_on: Mapping[str, int] = {"old": 500, "new": 499}


def with_model(scorer: type[FixedScorer]) -> Engine:
    return make_engine(
        {"catalog.toml": CATALOG},
        pipeline=(*STAGES, "propensity", "value", "arbitration", "slate"),
        models={"propensity": ModelFactory(build=lambda c: scorer(c, otherwise=0.4))},
    )


def test_a_model_is_believed_about_what_it_was_trained_on() -> None:
    decision = decide(with_model(Half))
    assert propensities(decision) == pytest.approx(
        {"old": 0.4, "new": 63 / 64 * 0.2, "alone": 6.3 / 64}
    )
    codes = {r.action: "new_action" in r.reason_codes for r in decision.recommendations}
    assert codes == {"old": False, "new": True, "alone": True}


class Quarter(FixedScorer):
    """A challenger that was trained on the other action, and answers nothing of a third one."""

    trained_on: Mapping[str, int] = {"old": 499, "new": 500, "alone": 500}

    def __init__(self, catalog: CatalogView) -> None:
        super().__init__(catalog, {"alone": float("nan")}, otherwise=0.3)


@pytest.mark.parametrize("decider", ["propensity", "challenger"])
def test_a_model_in_shadow_is_logged_with_what_it_would_have_served(decider: str) -> None:
    challengers = [{"model": "challenger", "share": float(decider == "challenger")}]
    stage = StageSettings(
        stage="propensity", settings={"challengers": challengers, "shadow_ms": 20_000.0}
    )
    engine = make_engine(
        {"catalog.toml": CATALOG},
        pipeline=(*STAGES, stage, "value", "arbitration", "slate"),
        models={
            "propensity": ModelFactory(build=lambda c: Half(c, otherwise=0.4)),
            "challenger": ModelFactory(build=Quarter),
        },
    )
    answer(engine, decide(engine), "old", "impression", "accept")
    count(engine)
    decision = decide(engine)
    group = 63 / 64 * (20 + 1) / 101
    mine = {"old": 0.4, "new": group, "alone": 6.3 / 64}
    others = {"old": 63 / 65 * 0.2 + 1 / 65, "new": 0.3, "alone": 6.3 / 64}
    if decider == "challenger":
        mine, others = others, mine
    assert decision.decided_by == decider
    assert propensities(decision) == pytest.approx(mine)
    record = engine.log.read(decision.decision_id)
    assert record is not None
    found = candidates_of(record)
    (shadow,) = found.shadows.values()
    actions = [engine.catalog.actions[int(a)].id for a in engine.catalog.action_of[found.index]]
    told = dict(zip(actions, shadow.tolist(), strict=True))
    told.pop("nothing")
    assert told == pytest.approx(others)


def test_a_model_that_does_not_tell_what_it_was_trained_on_is_believed() -> None:
    found = propensities(decide(with_model(FixedScorer)))
    assert found == {"old": 0.4, "new": 0.4, "alone": 0.4}


def test_a_catalog_without_evidence_leaves_propensities_to_the_model() -> None:
    text = CATALOG.replace("[evidence]\nstart = 63\ngroup = 100\n", "")
    decision = decide(make(text))
    assert propensities(decision) == {"old": 0.2, "new": 0.2, "alone": 0.1}
    assert all("prior_used" in r.reason_codes for r in decision.recommendations)


def test_a_replay_stands_on_what_was_known_then() -> None:
    engine = make()
    for who in range(5):
        answer(engine, decide(engine, who), "old", "impression", "accept")
    count(engine)
    decision = decide(engine, 99)
    answer(engine, decision, "new", "impression", "accept")
    count(engine)
    record = engine.log.read(decision.decision_id)
    assert record is not None
    assert (record.evidence, record.evidence_groups) == (
        {"old": Tally(5, 5)},
        {"dairy": Tally(5, 5)},
    )
    assert repeat(engine.catalogs.of(record), record).outcome == "identical"
    assert propensities(decide(engine, 99)) != propensities(decision)


def test_the_explanation_tells_what_little_is_known() -> None:
    engine = make()
    for who in range(37):
        answer(engine, decide(engine, who), "new", "impression", *["accept"] * (who < 10))
    count(engine)
    told = engine.explain(decide(engine, 99).decision_id)
    text = {one.action: one.text for one in told.candidates}
    assert (
        "37 contacts so far, 10 of them with a positive outcome: 63% of its propensity comes from "
        "its group “dairy”."
    ) in text["new"]
    assert "no contacts with it so far: its propensity comes from what the catalog" in text["alone"]
    assert "new_action" in told.decision.recommendations[0].reason_codes
