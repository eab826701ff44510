"""`nba plan` on a store, its partitions on Ray: the plan that one machine makes, to the last digit."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import ray

from nba_engine.app.contact_plans import offers, run
from nba_engine.cli.main import run as nba
from nba_engine.domain import PlanMark
from nba_engine.learning.report import Report
from tests.cli.planned_store import CUSTOMERS, fill, in_store, plan, write_shop

pytestmark = [pytest.mark.timeout(900), pytest.mark.filterwarnings("ignore::FutureWarning:ray")]


@pytest.fixture(autouse=True)
def _some_partitions_and_no_pictures(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(Report, "picture", lambda *_: None)
    monkeypatch.setattr("nba_engine.cli.plan_store._SHARE", 7)
    monkeypatch.setattr(run, "_GROUP", 3)
    yield
    offers._opened.clear()
    ray.shutdown()


def planned(folder: Path, *more: str) -> tuple[Path, PlanMark]:
    """A store of its own with the same customers, planned."""
    folder.mkdir()
    shop = fill(write_shop(folder))
    assert nba([str(word) for word in plan(shop, *more)]) == 0
    mark, plans = in_store(shop)
    assert mark is not None
    assert {own.plan for own in plans.values()} == {mark.id}
    return shop.parent / "plan", mark


def test_a_plan_for_a_store_is_the_same_on_ray(tmp_path: Path) -> None:
    on_ray, its_mark = planned(tmp_path / "ray", "--batch-engine", "ray")
    assert ray.is_initialized()
    assert not offers._opened  # nobody was asked for in this process
    here, mark = planned(tmp_path / "local")
    assert offers._opened

    assert pq.read_table(on_ray / "plan.parquet").equals(pq.read_table(here / "plan.parquet"))
    found, expected = (json.loads((one / "summary.json").read_text()) for one in (on_ray, here))
    assert found["customers"] == CUSTOMERS
    assert (found["value"], found["bound"]) == (expected["value"], expected["bound"])
    assert found["limits"] == expected["limits"]
    assert its_mark.prices == mark.prices
    assert max(mark.prices["letters"]) > 0.0
    assert (its_mark.starts, its_mark.bounds) == (mark.starts, mark.bounds)
