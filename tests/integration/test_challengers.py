"""A challenger on a share of the customers and in shadow elsewhere, seen in the log of a server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nba_engine.app import open_app
from nba_engine.client import Client
from nba_engine.domain import DecisionRecord, DecisionRequest, PlacementRequest
from nba_engine.engine import candidates_of, repeat, table_of
from nba_engine.errors import FailedPrecondition
from nba_engine.store import open_log
from tests.integration.test_models import ShopWithModels, processes, propensity

SHARE, CUSTOMERS = 0.3, 120
CHALLENGED = """
[[pipeline]]
stage = "propensity"
[pipeline.settings]
shadow_ms = 10_000.0
[[pipeline.settings.challengers]]
model = "challenger"
share = 0.3
"""
HELD_BACK = """
[control_groups.milk]
share = 0.5
applies_to = { actions = ["milk"] }
"""


def challenged(folder: Path) -> ShopWithModels:
    """The shop whose model "low" is challenged by "high"."""
    shop = ShopWithModels(folder)
    text = shop.settings.read_text()
    text = text.replace('[[pipeline]]\nstage = "propensity"\n', CHALLENGED)
    high = shop.versions["high"]
    text = text.replace("[models]\n", f'[models]\nchallenger = "registry:propensity@{high[:8]}"\n')
    shop.settings.write_text(text)
    with (folder / "catalog" / "shop.toml").open("a") as file:
        file.write(HELD_BACK)
    return shop


def records(folder: Path) -> list[DecisionRecord]:
    log = open_log(folder / "data" / "decisions.db")
    try:
        return list(log.recent(10 * CUSTOMERS))
    finally:
        log.close()


def milk(column: Any, record: DecisionRecord, treatments: list[str]) -> set[float]:
    """What a column of the candidates says of milk and bread, whose priors are equal."""
    found = candidates_of(record)
    named = [treatments[unit].partition(".")[0] for unit in found.index.tolist()]
    return {
        round(value, 5)
        for name, value in zip(named, column, strict=True)
        if name in ("milk", "bread") and not np.isnan(value)
    }


@pytest.mark.timeout(120)
def test_share_and_shadow_are_in_the_log_the_explanations_and_the_columns(tmp_path: Path) -> None:
    shop = challenged(tmp_path)
    with processes(shop.settings, 1) as served, Client(served.address) as client:
        first = {}
        for number in range(CUSTOMERS):
            decision = client.decide(f"cookie:{number}", "banner", timeout=20.0)
            first[decision.decision_id] = decision
        again = [client.decide(f"cookie:{n}", "banner", timeout=20.0) for n in range(20)]
        explained = client.explain_decision(next(iter(first)))
    logged = {record.decision_id: record for record in records(tmp_path)}
    own = [logged[name] for name in first]

    # the share: exact within chance, and stable for a customer
    deciders = [record.decided_by for record in own]
    assert set(deciders) == {"propensity", "challenger"}
    assert abs(deciders.count("challenger") / CUSTOMERS - SHARE) < 0.15
    assert [logged[d.decision_id].decided_by for d in again] == deciders[:20]

    # whose propensities they are, and the other one's beside them
    with open_app(shop.settings, environ={}) as app:
        treatments = [one.id for one in app.engine.catalog.treatments]
        low, high = (round(propensity(name), 5) for name in ("low", "high"))
        for record in own:
            decides, beside = (low, high) if record.decided_by == "propensity" else (high, low)
            found = candidates_of(record)
            (shadow,) = found.shadows
            assert shadow != record.decided_by
            assert milk(found.propensity, record, treatments) == {decides}
            assert milk(found.shadows[shadow], record, treatments) == {beside}
            assert repeat(app.engine._snapshot, record).outcome == "identical"

    # the explanation
    record = own[0]
    other = "challenger" if record.decided_by == "propensity" else "propensity"
    assert any(
        f"are those of the model “{record.decided_by}” (version "
        f"{shop.versions['low' if other == 'challenger' else 'high']}); “{other}” scored beside it "
        "and was not used" in sentence
        for sentence in explained.sentences
    )
    with open_app(shop.settings, environ={}) as app:
        traces = app.engine.explain(record.decision_id).candidates
    (seen,) = {one.columns.get(f"shadow:{other}") for one in traces if one.action == "bread"}
    assert seen == pytest.approx(high if other == "challenger" else low, abs=1e-5)

    # control groups: who is in them is logged, whatever became of the candidates
    inside = [record for record in own if record.control_groups == ("milk",)]
    assert abs(len(inside) / CUSTOMERS - 0.5) < 0.18
    for record in own:
        held = record.dropped.get("contact_policy/control_group:milk", 0)
        assert bool(held) == (record in inside)
        shown = {one.action for one in record.recommendations}
        assert ("milk" in shown) == (record not in inside)

    # the columns for training, evaluation and export
    rows = table_of(own).to_pylist()
    for row, record in zip(rows, own, strict=True):
        assert row["decided_by"] == record.decided_by
        assert row["control_groups"] == list(record.control_groups)
        assert row["shadow_models"] == list(record.shadows)
        (scores,) = row["shadow_propensities"]
        (expected,) = candidates_of(record).shadows.values()
        assert np.array_equal(np.array(scores, dtype=np.float64), expected, equal_nan=True)


def test_old_decisions_outlive_a_challenger_that_was_only_in_shadow(tmp_path: Path) -> None:
    shop = challenged(tmp_path)
    with open_app(shop.settings, environ={}, publish=True) as app:
        for number in range(30):
            request = DecisionRequest(
                identity=f"cookie:{number}", placements=(PlacementRequest("banner"),)
            )
            app.engine.decide(request)
    by = {record.decided_by: record for record in records(tmp_path)}
    text = shop.settings.read_text()
    start = text.index("[pipeline.settings]")
    text = text[:start] + text[text.index("[[pipeline]]", start) :]
    text = "\n".join(line for line in text.splitlines() if not line.startswith("challenger"))
    shop.settings.write_text(text)
    with open_app(shop.settings, environ={}) as app:
        told = app.engine.explain(by["propensity"].decision_id)
        assert told.decision.decided_by == "propensity"
        with pytest.raises(FailedPrecondition, match=r"models have changed .* challenger"):
            app.engine.explain(by["challenger"].decision_id)
