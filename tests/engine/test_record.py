from __future__ import annotations

from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from nba_engine.domain import Deciding
from nba_engine.engine import candidates_of, decision_of
from nba_engine.engine.decide import answer, settle
from nba_engine.engine.record import record_of
from nba_engine.engine.requests import RequestReader
from nba_engine.pipeline import Pipeline
from tests.engine.world import ask, shop
from tests.pipeline.faulty import Doing, catalog, deciding, step


def dropping(*positions: int) -> Doing:
    def act(deciding: Deciding) -> None:
        mask = np.zeros(len(deciding.candidates), dtype=np.bool_)
        mask[list(positions)] = True
        deciding.candidates.drop(mask, "tested")

    return Doing(act)


def score(deciding: Deciding) -> None:
    count = len(deciding.candidates)
    deciding.candidates["propensity"] = np.arange(count) / 64


def test_the_log_keeps_candidates_after_eligibility_with_the_scores_of_those_scored() -> None:
    one = deciding()
    index, slot = one.candidates.index, one.candidates.slot
    Pipeline(
        [
            step(dropping(1, 7), name="eligibility"),
            step(dropping(0, 6), name="contact_policy"),
            step(Doing(score), name="propensity"),
        ]
    ).run(one)
    _, plan = RequestReader(catalog()).read(one.request, simulated=False)
    decision = answer(one, dropped=settle(one), model_versions={}, micros={})
    kept = candidates_of(record_of(one, one.request, plan, decision))
    eligible = np.delete(np.arange(len(index)), [1, 7])
    assert kept.index.tolist() == index[eligible].tolist()
    assert kept.slot.tolist() == slot[eligible].tolist()
    scored = np.delete(np.arange(len(eligible)), [0, 6])
    assert np.isnan(kept.propensity[[0, 6]]).all()
    assert kept.propensity[scored].tolist() == (np.arange(len(scored)) / 64).tolist()


def test_when_everything_was_scored_no_marks_are_stored() -> None:
    one = deciding()
    Pipeline([step(Doing(score), name="propensity")]).run(one)
    _, plan = RequestReader(catalog()).read(one.request, simulated=False)
    decision = answer(one, dropped=settle(one), model_versions={}, micros={})
    record = record_of(one, one.request, plan, decision)
    assert record.scored == b""
    assert candidates_of(record).propensity.tolist() == (np.arange(record.total) / 64).tolist()


def test_without_a_propensity_stage_every_propensity_is_unknown(tmp_path: Path) -> None:
    with shop(tmp_path) as engine:
        decision = engine.decide(ask("crm:2", "banner", "newsletter"))
        engine.log.flush()
        record = engine.log.read(decision.decision_id)
    assert record is not None
    kept = candidates_of(record)
    assert len(kept.index) == decision.candidates - decision.dropped["eligibility/not_eligible"]
    assert np.isnan(kept.propensity).all()
    assert decision_of(record) == decision
    assert record.request == ask("crm:2", "banner", "newsletter")


@given(st.data())
def test_candidates_are_listed_or_marked_whatever_is_shorter(data: st.DataObject) -> None:
    one = deciding(placements=data.draw(st.sampled_from([("banner",), ("banner", "newsletter")])))
    everyone = len(one.candidates)
    dropped = data.draw(st.sets(st.integers(0, everyone - 1)))
    stages = [step(dropping(*dropped), name="eligibility")]
    if data.draw(st.booleans()):  # as rules do it
        passing = data.draw(st.integers(0, 2 ** len(one.catalog.treatments) - 1))
        stages = [step(Doing(lambda d: d.candidates.keep_units(passing, "no")), name="eligibility")]
    Pipeline(stages).run(one)
    assert one.eligible is not None
    index, slot, _ = one.eligible
    _, plan = RequestReader(catalog()).read(one.request, simulated=False)
    decision = answer(one, dropped=settle(one), model_versions={}, micros={})
    record = record_of(one, one.request, plan, decision)
    kept = candidates_of(record)
    assert kept.index.tolist() == index.tolist()
    assert kept.slot.tolist() == slot.tolist()
    marks = -(-record.treatments * len(one.request.placements) // 8)
    assert len(record.candidates) + len(record.among) <= min(marks, 2 * len(index))
    assert not (record.candidates and record.among)
