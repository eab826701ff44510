"""Decisions as data: every file of cases/ is played through the real application."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from nba_engine.app import App
from nba_engine.domain import Decision
from nba_engine.errors import NbaError
from tests.scenarios.faults import LET_GO
from tests.scenarios.playing import check_books, check_changes, trace
from tests.scenarios.running import (
    HERE,
    install_plugin,
    interactions,
    open_world,
    read,
    recommended,
    request,
)

FILES = sorted((HERE / "cases").rglob("*.toml"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_the_scenario_comes_out_as_written(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenario = read(path)
    (tmp_path / "plugin").mkdir()
    install_plugin(tmp_path / "plugin")
    monkeypatch.syspath_prepend(tmp_path / "plugin")
    ids: dict[str, str] = {}
    with open_world(scenario, tmp_path) as app:
        for step in scenario.step:
            if "let_go" in step:  # what hangs
                LET_GO.all()
            elif "expire" in step:
                app.engine.store.expire(now=step["expire"].timestamp())
            elif "record" in step:
                results = app.engine.record(interactions(step, ids, scenario.now))
                assert [r.status for r in results] == ["recorded"] * len(results)
                if "reservations" in step:
                    assert [r.reservation for r in results] == step["reservations"]
            elif "error" in step.get("expect", {}):
                with pytest.raises(NbaError) as failed:
                    app.engine.decide(request(step, scenario.now), deadline=deadline(step))
                assert type(failed.value).__name__ == step["expect"]["error"]
            else:
                decision = app.engine.decide(request(step, scenario.now), deadline=deadline(step))
                ids.update({r.treatment: r.recommendation_id for r in decision.recommendations})
                check(app, decision, step["expect"])
        LET_GO.all()


def deadline(step: dict[str, Any]) -> float | None:
    """When the step's decision must be made; None: whenever."""
    milliseconds = step["decide"].get("deadline_ms")
    return None if milliseconds is None else time.monotonic() + milliseconds / 1000


def check(app: App, decision: Decision, expect: dict[str, Any]) -> None:
    """Compare everything that the step expects; keys it leaves out may be anything."""
    assert recommended(decision) == expect["recommended"]
    check_books(decision)
    assert list(decision.degraded) == expect.get("degraded", [])
    for stage, least in expect.get("at_least_micros", {}).items():
        assert decision.stage_micros[stage] >= least
    if "dropped" in expect:
        assert decision.dropped == expect["dropped"]
    by_treatment = {each.treatment: each for each in decision.recommendations}
    for treatment, codes in expect.get("codes", {}).items():
        assert list(by_treatment[treatment].reason_codes) == codes
    for treatment, content in expect.get("content", {}).items():
        assert by_treatment[treatment].content == content
    for treatment, columns in expect.get("columns", {}).items():
        for name, number in columns.items():
            assert getattr(by_treatment[treatment], name) == pytest.approx(number), name
    explanation = app.engine.explain(decision.decision_id)
    for key, why in expect.get("why", {}).items():
        treatment, _, placement = key.partition("@")
        told = trace(explanation, treatment, placement)
        assert f"{told.stage}/{told.reason}" == why["reason"]
        for part in why.get("says", []):
            assert part in told.text
        if "changes" in why:
            assert [f"{c.kind} {c.target}".strip() for c in told.changes] == why["changes"]
    check_changes(app, explanation)
