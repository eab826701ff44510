"""The columns of a Parquet file say what the records say."""

from __future__ import annotations

import json
import random
from pathlib import Path

import msgspec
import numpy as np

from nba_engine.domain import DecisionRecord
from nba_engine.engine import candidates_of, repeat, table_of
from nba_engine.store import Mover, open_log_reader
from tests.engine.test_explain import random_request, shop_at_random
from tests.engine.world import DAY, NOON, ask, shop


def test_the_columns_are_the_records(tmp_path: Path) -> None:
    rng = random.Random(3)
    with shop(tmp_path) as engine:
        for number in range(30):
            shop_at_random(engine, rng, number)
            engine.decide(random_request(rng))
    log = open_log_reader(tmp_path / "decisions.db")
    records = list(log.records())
    log.close()
    rows = table_of(records).to_pylist()
    assert len(rows) == 30
    for row, record in zip(rows, records, strict=True):
        assert row["decision_id"] == record.decision_id
        assert abs(row["time"].timestamp() - record.time) < 2e-6
        assert row["identity"] == record.request.identity
        assert json.loads(row["context"]) == record.request.context
        assert json.loads(row["dropped"]) == record.dropped
        assert row["placements"] == [one.placement for one in record.request.placements]
        shown = record.recommendations
        assert row["treatments"] == [one.treatment for one in shown]
        assert row["recommended_placements"] == [one.placement for one in shown]
        assert row["scores"] == [one.score for one in shown]
        assert row["selection_probabilities"] == [one.selection_probability for one in shown]
        candidates = candidates_of(record)
        assert row["candidate_treatments"] == candidates.index.tolist()
        assert row["candidate_placements"] == candidates.slot.tolist()
        found = np.array(row["candidate_propensities"], dtype=np.float64)
        assert np.array_equal(found, candidates.propensity, equal_nan=True)
        assert msgspec.msgpack.decode(row["record"], type=DecisionRecord) == record


def test_a_moved_decision_is_explained_and_replayed_like_any(tmp_path: Path) -> None:
    with shop(tmp_path) as engine:
        decision = engine.decide(ask("crm:1", "banner", "newsletter"))
        engine.log.flush()
        assert Mover(tmp_path / "decisions.db", table_of).move(NOON + DAY) == 1
        assert engine.explain(decision.decision_id).decision == decision
        record = engine.log.read(decision.decision_id)
        assert record is not None
        assert repeat(engine._snapshot, record).outcome == "identical"
