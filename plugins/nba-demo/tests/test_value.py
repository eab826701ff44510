"""Weekly groceries are no case for BG/NBD, and `nba value fit` finds that out."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from nba_engine.cli.main import run

from .small import Small


@pytest.fixture
def receipts(small: Small, tmp_path: Path) -> Path:
    year, file = small.year, tmp_path / "receipts.csv"
    columns = (year.basket_household, year.basket_time, year.basket_amount)
    with file.open("w", newline="") as out:
        rows = csv.writer(out)
        rows.writerow(["customer", "time", "amount"])
        rows.writerows(zip(*(column.tolist() for column in columns), strict=True))
    return file


def test_households_do_not_slip_away_and_their_last_months_tell_most(
    receipts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "value.html"
    assert run(["value", "fit", str(receipts), "--json", "--report", str(page)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["model"] == "recent_rate"
    assert found["held_out_days"] == 91
    _, surely, _ = found["held_out"]["bg_nbd"]["behind"]
    assert surely > 0
    assert found["held_out"]["recent_rate"]["correlation"] > 0.85
    assert found["slipping_away"]["model"] is None
    assert found["final"]["mean_p_alive"] == 1.0
    assert "No sure sign that customers slip away" in page.read_text()
