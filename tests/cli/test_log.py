"""`nba log`: decisions as Parquet files, copied or moved."""

from __future__ import annotations

import time
from pathlib import Path

import pyarrow.dataset as ds
import pytest

from nba_engine.cli import log as command
from tests.cli.conftest import Nba
from tests.cli.test_replay import decided


def test_the_log_is_copied_to_parquet(nba: Nba, shop: Path, tmp_path: Path) -> None:
    ids = decided(nba, shop, times=3)
    out = tmp_path / "out"
    assert nba("log", "export", "--out", out, "-s", shop) == 0
    assert nba.out.startswith("3 decisions written to")
    assert "exporting" in nba.err
    table = ds.dataset(out, partitioning="hive").to_table()
    assert sorted(table.column("decision_id").to_pylist()) == sorted(ids)
    assert set(table.column("date").to_pylist()) == {time.strftime("%Y-%m-%d", time.gmtime())}
    assert nba("replay", "--all", "-s", shop) == 0


def test_an_export_does_not_mix_with_another(nba: Nba, shop: Path, tmp_path: Path) -> None:
    decided(nba, shop)
    for _ in range(2):
        code = nba("log", "export", "--out", tmp_path / "out", "-s", shop)
    assert code == 2
    assert "is not empty" in nba.err
    assert nba("log", "export", "--out", tmp_path / "b", "--since", "2100-01-01", "-s", shop) == 0
    assert nba.out.startswith("0 decisions written")
    assert nba("log", "export", "--out", tmp_path / "c", "--since", "soon", "-s", shop) == 2


def test_moved_decisions_are_replayed_and_exported_like_the_others(
    nba: Nba, shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = decided(nba, shop, times=2)
    assert nba("log", "move", "--days", 0, "-s", shop) == 0
    assert nba.out == "0 decisions moved\n"  # they are of today
    with monkeypatch.context() as patched:
        patched.setattr(command, "time", lambda: time.time() + 3 * 86_400)
        assert nba("log", "move", "--days", 1, "-s", shop) == 0
    assert nba.out == "2 decisions moved\n"
    assert len(list((shop.parent / "data" / "decisions").rglob("*.parquet"))) == 1
    later = decided(nba, shop)
    for decision in (*ids, *later):
        assert nba("replay", decision, "-s", shop) == 0
    assert nba("replay", "--all", "-s", shop) == 0
    assert "3 identical" in nba.out
    assert nba("log", "export", "--out", tmp_path / "out", "-s", shop) == 0
    assert nba.out.startswith("3 decisions written")
