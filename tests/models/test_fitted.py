"""The table of affinities: written in one step, versions kept, what is wrong is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nba_engine.domain.fitted import AffinityPrior, Fitted, FittedTable
from nba_engine.errors import MistakesFound
from nba_engine.models import load_fitted, save_fitted
from nba_engine.models.fitted import KEPT


def table(rate: float) -> FittedTable:
    prior = AffinityPrior(means={"": {"letter": rate}}, weights={"letter": 5.0})
    fitted = Fitted(by="channel", half_life=9.0, types=("sent",), positive=("ok",), prior=prior)
    return FittedTable(aggregates={"a": fitted})


def test_what_is_saved_is_read_again_and_no_file_says_nothing(tmp_path: Path) -> None:
    path = tmp_path / "tables" / "affinities.json"
    assert load_fitted(path) == (FittedTable(), "")
    version = save_fitted(path, table(0.1))
    assert load_fitted(path) == (table(0.1), version)
    assert save_fitted(path, table(0.1)) == version


def test_an_earlier_version_stays_beside_it_for_decisions_made_with_it(tmp_path: Path) -> None:
    path = tmp_path / "affinities.json"
    old = save_fitted(path, table(0.1))
    new = save_fitted(path, table(0.2))
    assert load_fitted(path, old) == (table(0.1), old)
    assert load_fitted(path, "f" * 12) == (table(0.2), new)
    for at in range(KEPT + 5):
        save_fitted(path, table(0.3 + at / 100))
    assert len(list(tmp_path.iterdir())) == 1 + KEPT


@pytest.mark.parametrize(
    ("place", "value", "says"),
    [
        ("means", {"": {"letter": 1.5}}, "means must be above 0 and below 1"),
        ("means", {"": {}}, "means must be above 0 and below 1"),
        ("weights", {"letter": -1.0}, "weights must be numbers of at least 0"),
        ("weights", {"letter": "many"}, "is no table of affinities"),
    ],
)
def test_what_no_fit_gives_is_refused_with_a_remedy(
    tmp_path: Path, place: str, value: Any, says: str
) -> None:
    path = tmp_path / "affinities.json"
    save_fitted(path, table(0.1))
    data = json.loads(path.read_text())
    data["aggregates"]["a"]["prior"][place] = value
    path.write_text(json.dumps(data))
    with pytest.raises(MistakesFound, match=says) as found:
        load_fitted(path)
    assert found.value.mistakes[0].remedy.startswith("fit again")


def test_a_broken_cycle_or_score_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "affinities.json"
    cycle = {"shape": 2.0, "a": 3.0, "b": 30.0, "wait": [0.5], "usual": [1.0, 1.1]}
    prior = {"type": "reorder", "share": 0.25, "cycles": {"milk": cycle}}
    fitted = {"by": "category", "half_life": 0.0, "types": ["purchase"], "prior": prior}
    path.write_text(json.dumps({"aggregates": {"r": fitted}}))
    with pytest.raises(MistakesFound, match="as many waits as medians"):
        load_fitted(path)
    path.write_text('{"score": {"bias": 1e999, "slope": 1.0, "exponents": {}}}')
    with pytest.raises(MistakesFound):
        load_fitted(path)
