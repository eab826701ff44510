from __future__ import annotations

import random
from pathlib import Path

import msgspec
import numpy as np
import pytest

from nba_engine.domain import Interaction
from nba_engine.engine import Engine, Repetition, candidates_of, repeat
from tests.engine.test_explain import random_request, shop_at_random
from tests.engine.world import CATALOG, NOON, STAGES, ask, shop
from tests.pipeline.faulty import Doing, factory


def repeated(engine: Engine, decision_id: str) -> Repetition:
    record = engine.log.read(decision_id)
    assert record is not None
    return repeat(engine._snapshot, record)


@pytest.mark.parametrize("seed", range(3))
def test_random_decisions_repeat_in_every_field(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    catalog = CATALOG + "\n[control_group]\nshare = 0.2\n"
    with shop(tmp_path, catalog=catalog) as engine:
        decisions = []
        for number in range(60):
            shop_at_random(engine, rng, number)
            decisions.append(engine.decide(random_request(rng)))
        found = [repeated(engine, decision.decision_id) for decision in decisions]
        assert {one.outcome for one in found} == {"identical"}, found


def test_the_store_is_not_asked(tmp_path: Path) -> None:
    with shop(tmp_path) as engine:
        decision = engine.decide(ask("crm:1", "newsletter"))
        assert decision.recommendations[0].expires  # it reserved
        engine.store.close()
        assert repeated(engine, decision.decision_id).outcome == "identical"


def test_each_field_that_was_tampered_with_is_named_with_both_values(tmp_path: Path) -> None:
    with shop(tmp_path) as engine:
        decision = engine.decide(ask("crm:1", "banner", "newsletter"))
        record = engine.log.read(decision.decision_id)
        assert record is not None
        first, second, *others = record.recommendations
        changed = msgspec.structs.replace
        forged = changed(
            record,
            recommendations=(changed(first, score=0.25, content={"title": "?"}), second, *others),
            dropped={**record.dropped, "slate/outranked": 99},
            candidates=b"\x00\x00\x02\x00",
            among=b"",
            degraded=("prior",),
        )
        found = repeat(engine._snapshot, forged)
    assert found.outcome == "differs"
    text = "\n".join(found.details)
    for part in (
        "banner[0].score: 0.25 then, 0.59",
        "banner[0].content: {'title': '?'} then, {'title': 'Cereal for you'} now",
        "dropped[slate/outranked]: 99 then",
        "degraded: ('prior',) then, () now",
        "candidates: 2 after eligibility then, 11 now",
    ):
        assert part in text, text
    assert len(found.details) == 5


def test_a_recommendation_of_something_else_is_named_once(tmp_path: Path) -> None:
    with shop(tmp_path) as engine:
        decision = engine.decide(ask("crm:1"))
        record = engine.log.read(decision.decision_id)
        assert record is not None
        forged = msgspec.structs.replace(record, recommendations=record.recommendations[:1])
        found = repeat(engine._snapshot, forged)
    second = decision.recommendations[1]
    assert found.details == (
        f"banner[1]: nothing then, {second.treatment} ({second.score:.9g}) now",
    )


def test_a_stage_with_randomness_of_its_own_is_found_out(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)

    def shake(deciding: object) -> None:
        candidates = deciding.candidates  # type: ignore[attr-defined]
        candidates["weight"] = rng.uniform(0.1, 9, len(candidates))

    stages = (*STAGES[:5], "shake", *STAGES[5:])
    with shop(tmp_path, stages=stages, shake=factory(Doing(shake))) as engine:
        found = repeated(engine, engine.decide(ask()).decision_id)
    assert found.outcome == "differs"


def test_a_stage_that_cannot_fail_but_does_is_a_difference(tmp_path: Path) -> None:
    ran: list[object] = []

    def act(deciding: object) -> None:
        ran.append(deciding)
        if len(ran) > 1:
            raise RuntimeError

    once = Doing(act)
    stages = (*STAGES[:2], "once", *STAGES[2:])
    with shop(tmp_path, stages=stages, once=factory(once, "fail")) as engine:
        found = repeated(engine, engine.decide(ask()).decision_id)
    assert len(ran) == 2
    assert found.outcome == "differs"
    assert "'once' failed" in found.details[0]


def test_an_input_that_is_gone_is_named(tmp_path: Path) -> None:
    with shop(tmp_path) as engine:
        decision = engine.decide(ask("crm:1"))
        record = engine.log.read(decision.decision_id)
        assert record is not None
        changed = msgspec.structs.replace
        erased = repeat(engine._snapshot, changed(record, profile=b""))
        trained = repeat(engine._snapshot, changed(record, model_versions={"propensity": "7"}))
        engine.reload({"a.toml": CATALOG.replace("prior = 0.30", "prior = 0.90")})
        published = repeat(engine._snapshot, record)
    assert [one.outcome for one in (erased, trained, published)] == ["gone"] * 3
    assert erased.details == ("the customer's profile is no longer on record",)
    assert "models have changed since the decision: propensity" in trained.details[0]
    assert record.catalog_version in published.details[0]


def test_what_happened_later_changes_nothing(tmp_path: Path) -> None:
    with shop(tmp_path) as engine:
        decision = engine.decide(ask("crm:1", "banner", "newsletter"))
        engine.record(
            [
                Interaction(
                    interaction_id="i1",
                    identity="crm:1",
                    type="purchase",
                    time=NOON,
                    properties={"category": "MILK"},
                )
            ]
        )
        again = engine.decide(ask("crm:1", "banner", "newsletter"))
        assert again.recommendations != decision.recommendations
        assert repeated(engine, decision.decision_id).outcome == "identical"


def test_candidates_are_compared_however_they_are_written(tmp_path: Path) -> None:
    with shop(tmp_path) as engine:
        record = engine.log.read(engine.decide(ask("crm:1")).decision_id)
        assert record is not None
        keys = candidates_of(record).index.astype("<u2").tobytes()
        listed = msgspec.structs.replace(record, candidates=keys, among=b"")
        assert record.among
        assert repeat(engine._snapshot, listed).outcome == "identical"
