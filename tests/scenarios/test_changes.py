"""What explanations promise, held over random worlds."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.scenarios.playing import check_books, check_changes
from tests.scenarios.running import install_plugin, interactions, open_world, request
from tests.scenarios.worlds import NOW, world


@pytest.mark.parametrize("seed", range(12))
def test_every_change_an_explanation_names_brings_the_candidate_past_its_stage(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenario = world(seed)
    (tmp_path / "plugin").mkdir()
    install_plugin(tmp_path / "plugin")
    monkeypatch.syspath_prepend(tmp_path / "plugin")
    history, *requests = scenario.step
    tried: Counter[str] = Counter()
    with open_world(scenario, tmp_path) as app:
        app.engine.record(interactions(history, {}, NOW))
        for step in requests:
            decision = app.engine.decide(request(step, NOW))
            check_books(decision)
            tried += check_changes(app, app.engine.explain(decision.decision_id))
    assert tried, "no change was tried"
