from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from nba_engine.domain import (
    Change,
    Deciding,
    DecisionRequest,
    Drop,
    Interaction,
    PlacementRequest,
)
from nba_engine.engine import Engine
from nba_engine.engine.story import RUNNERS_UP
from nba_engine.errors import FailedPrecondition, NotFound, Unavailable
from nba_engine.settings import StageSettings
from tests.engine.world import CATALOG, DAY, NOON, STAGES, ask, shop
from tests.pipeline.faulty import Doing, factory, raises


def random_request(rng: random.Random) -> DecisionRequest:
    placements = rng.sample(["banner", "newsletter"], rng.randint(1, 2))
    return DecisionRequest(
        identity=f"crm:{rng.randint(1, 6)}",
        placements=tuple(PlacementRequest(p, rng.randint(0, 3)) for p in placements),
        context={"cart": rng.sample(["MILK", "CEREAL", "WINE"], rng.randint(0, 2))},
        time=NOON + rng.uniform(0, 10) * DAY,
        seed=rng.getrandbits(40),
    )


def shop_at_random(engine: Engine, rng: random.Random, number: int) -> None:
    engine.record(
        [
            Interaction(
                interaction_id=f"i{number}",
                identity=f"crm:{rng.randint(1, 6)}",
                type=rng.choice(["purchase", "reject"]),
                time=NOON + rng.uniform(-5, 10) * DAY,
                properties={"category": rng.choice(["MILK", "BREAD", "WINE"])},
            )
        ]
    )


@pytest.mark.parametrize("seed", range(3))
def test_random_decisions_are_explained_as_they_were_made(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    catalog = CATALOG + "\n[control_group]\nshare = 0.2\n"
    with shop(tmp_path, catalog=catalog) as engine:
        decisions = []
        for number in range(60):
            shop_at_random(engine, rng, number)
            decisions.append(engine.decide(random_request(rng)))
        reasons = set()
        for decision in decisions:  # later purchases and reservations change none of them
            explanation = engine.explain(decision.decision_id)
            assert explanation.decision == decision
            dropped = {f"{c.stage}/{c.reason}": c.candidates for c in explanation.funnel}
            assert dropped == decision.dropped
            assert len(explanation.candidates) == decision.candidates
            assert all(trace.text for trace in explanation.candidates)
            reasons |= set(dropped)
    assert len(reasons) >= 8


@pytest.mark.parametrize("seed", range(3))
def test_what_is_told_of_some_treatments_is_what_is_told_of_them_among_all(
    seed: int, tmp_path: Path
) -> None:
    rng = random.Random(seed)
    asked_for_reasons = 0
    with shop(tmp_path) as engine:
        treatments = [one.id for one in engine.catalog.treatments]
        for number in range(20):
            shop_at_random(engine, rng, number)
            made = engine.decide(random_request(rng)).decision_id
            some = rng.sample(treatments, rng.randint(0, 6))
            later = Change(kind="time", value=NOON + rng.uniform(0, 20) * DAY)
            for explained in (engine.explain, partial(engine.what_if, changes=[later])):
                whole = explained(made)
                few = explained(made, treatments=some)
                about = tuple(one for one in whole.candidates if one.treatment in some)
                assert few == msgspec.structs.replace(whole, candidates=about)
                asked_for_reasons += len(about)
    assert asked_for_reasons > 40


def test_reasons_of_treatments_that_nobody_asks_for_are_not_looked_for(tmp_path: Path) -> None:
    asked = []

    class Curious(Doing):
        def explain(
            self, deciding: Deciding, drop: Drop, position: int
        ) -> tuple[str, list[Change]]:
            asked.append(deciding.catalog.treatments[int(drop.index[position])].id)
            return "It was in the way.", []

    def drop_all(deciding: Deciding) -> None:
        here = deciding.candidates
        here.drop(np.ones(len(here), dtype=np.bool_), "in_the_way")

    with shop(tmp_path, stages=["curious"], curious=factory(Curious(drop_all))) as engine:
        made = engine.decide(ask("crm:1", "banner")).decision_id
        few = engine.explain(made, treatments=["milk.app"])
        told = {one.treatment: one.text for one in few.candidates}
    assert told == {"milk.app": "It was in the way."}
    assert "milk.app" in asked
    assert len(asked) == len(set(asked)) <= 1 + RUNNERS_UP


def test_an_explanation_tells_the_story_in_sentences(tmp_path: Path) -> None:
    with shop(tmp_path) as engine:
        decision = engine.decide(ask("crm:2", "banner", "newsletter", cart=["MILK"]))
        explanation = engine.explain(decision.decision_id)
    text = "\n".join(explanation.sentences)
    assert "For customer crm:2 the engine weighed 11 candidates for banner and newsletter" in text
    assert "12:00 on 7 November 2017 (UTC)" in text
    assert "“Cereal” by App is first in banner: a 20.00% chance to gain 3.00 USD" in text
    assert "it goes with" in text
    assert (
        "In newsletter nothing is recommended: of its candidates 3 lack the customer's consent"
        in text
    )
    assert "Why not “Gadget” in banner?" in text
    assert "lack the customer's consent" in text
    assert all(sentence.endswith((".", "?")) for sentence in explanation.sentences)


def test_the_story_names_a_stage_that_failed(tmp_path: Path) -> None:
    stages = (*STAGES[:2], StageSettings(stage="broken"), *STAGES[2:])
    broken = factory(Doing(raises(ValueError())), "drop")
    with shop(tmp_path, stages=stages, broken=broken) as engine:
        decision = engine.decide(ask())
        explanation = engine.explain(decision.decision_id)
    assert any("broken did not work" in sentence for sentence in explanation.sentences)
    failed = [t for t in explanation.candidates if t.reason == "stage_failed"]
    assert failed
    assert all("broken failed" in trace.text for trace in failed)


def test_a_stage_that_failed_then_is_treated_as_failed_again(tmp_path: Path) -> None:
    class Once(Doing):
        broken = True

    def act(_deciding: object) -> None:
        if once.broken:
            raise RuntimeError

    once = Once(act)
    stages = (*STAGES[:2], "once", *STAGES[2:])
    with shop(tmp_path, stages=stages, once=factory(once, "drop")) as engine:
        decision = engine.decide(ask())
        once.broken = False
        assert engine.explain(decision.decision_id).decision == decision
        assert engine.decide(ask()).degraded == ()


def test_a_stage_with_randomness_of_its_own_makes_the_replay_differ(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)

    def shake(deciding: object) -> None:
        candidates = deciding.candidates  # type: ignore[attr-defined]
        candidates["weight"] = rng.uniform(0.1, 9, len(candidates))

    stages = (*STAGES[:5], "shake", *STAGES[5:])
    with shop(tmp_path, stages=stages, shake=factory(Doing(shake))) as engine:
        decision = engine.decide(ask())
        with pytest.raises(FailedPrecondition, match="replay differs") as caught:
            engine.explain(decision.decision_id)
    assert caught.value.metadata == {"decision_id": decision.decision_id}


def test_a_decision_of_a_catalog_that_nobody_stored_is_not_explained(tmp_path: Path) -> None:
    with shop(tmp_path) as engine:
        decision = engine.decide(ask())
        engine.log.flush()
        record = engine.log.read(decision.decision_id)
        assert record is not None
        engine.log.append(msgspec.structs.replace(record, decision_id="ab", catalog_version="gone"))
        with pytest.raises(FailedPrecondition, match="catalog gone, which is not stored") as caught:
            engine.explain("ab")
    assert caught.value.reason == "CATALOG_CHANGED"
    assert caught.value.metadata == {"decision_id": "ab", "catalog_version": "gone"}


def test_a_decision_of_another_model_is_not_explained(tmp_path: Path) -> None:
    with shop(tmp_path) as engine:
        decision = engine.decide(ask())
        engine.log.flush()
        record = engine.log.read(decision.decision_id)
        assert record is not None
        other = msgspec.structs.replace(record, decision_id="ab", model_versions={"m": "1"})
        engine.log.append(other)
        with pytest.raises(FailedPrecondition, match="models have changed since the decision: m"):
            engine.explain("ab")


def test_an_unknown_decision_is_not_found(tmp_path: Path) -> None:
    with shop(tmp_path) as engine, pytest.raises(NotFound) as caught:
        engine.explain("ffff")
    assert caught.value.reason == "DECISION_NOT_FOUND"
    assert caught.value.metadata == {"decision_id": "ffff"}


def test_a_decision_made_without_its_ledger_is_explained_without_it(tmp_path: Path) -> None:
    class Gate(Doing):
        """Takes the ledger away just before the slate."""

    def cut(deciding: object) -> None:
        class Cut:
            def __init__(self, reads: object) -> None:
                self._reads = reads

            def __getattr__(self, name: str) -> object:
                return getattr(self._reads, name)

            def reserve(self, requests: object, *, now: float) -> object:
                raise Unavailable("no ledger")

        if gate.calls == 1:  # the live decision, not the replay
            deciding.reads = Cut(deciding.reads)  # type: ignore[attr-defined]

    gate = Gate(cut)
    stages = (*STAGES[:-1], "gate", "slate")
    with shop(tmp_path, stages=stages, gate=factory(gate)) as engine:
        decision = engine.decide(ask("crm:1", "newsletter"))
        assert decision.degraded == ("slate",)
        assert decision.recommendations[0].action == "nothing"
        assert engine.explain(decision.decision_id).decision == decision


def _exits() -> None:
    raise SystemExit(3)


@pytest.mark.parametrize(
    "tell",
    [lambda: 1 / 0, _exits, lambda: None, lambda: "a text alone", lambda: (7, ()), lambda: ("", 7)],
)
def test_a_stage_that_cannot_explain_costs_its_sentence_not_the_explanation(
    tmp_path: Path, tell: Callable[[], Any]
) -> None:
    class Mute(Doing):
        def explain(self, deciding: object, drop: object, position: int) -> Any:
            return tell()

    def drop_milk(deciding: Any) -> None:
        milk = deciding.catalog.treatment_index["milk.app"]
        deciding.candidates.drop(deciding.candidates.index == milk, "sold_out")

    stages = (*STAGES[:2], "mute", *STAGES[2:])
    with shop(tmp_path, stages=stages, mute=factory(Mute(drop_milk))) as engine:
        decision = engine.decide(ask())
        explanation = engine.explain(decision.decision_id)
    (trace,) = [t for t in explanation.candidates if t.treatment == "milk.app"]
    assert trace.text == "It was dropped by mute (sold_out)."
    assert "1 fell out as sold_out" in " ".join(explanation.sentences)


def test_what_differs_in_a_replay_is_told(tmp_path: Path) -> None:
    def forget(deciding: Any) -> None:
        if stage.calls > 1:
            gone = np.ones(len(deciding.candidates), dtype=np.bool_)
            deciding.candidates.drop(gone, "forgotten")

    stage = Doing(forget)
    stages = (*STAGES[:2], "forget", *STAGES[2:])
    with shop(tmp_path, stages=stages, forget=factory(stage)) as engine:
        decision = engine.decide(ask())
        with pytest.raises(FailedPrecondition) as caught:
            engine.explain(decision.decision_id)
    assert "2 recommendations then, 1 now" in caught.value.message
    assert "cereal.app" in caught.value.message
