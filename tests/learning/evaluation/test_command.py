"""`nba evaluate FILE`, as people call it."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nba_engine.cli.main import run
from tests.learning.evaluation.logs import logged


def log(folder: Path, rows: int, *, predictions: bool = True) -> str:
    picks = logged(rows, 1, customers=rows // 3)
    assert picks.customer is not None
    columns = {
        "customer": [f"crm:{one}" for one in picks.customer],
        "action": picks.action,
        "channel": picks.channel,
        "reward": picks.reward,
        "propensity": picks.propensity,
        "target_probability": picks.target,
    }
    if predictions:
        columns |= {"q_logged": picks.expected, "q_target": picks.expected_target}
    path = folder / "log.parquet"
    pq.write_table(pa.table(columns), path)
    return str(path)


def test_it_tells_values_with_intervals_and_what_follows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["evaluate", log(tmp_path, 3_000), "--resamples", "200"]) == 0
    told = capsys.readouterr().out
    for words in ("as logged", "IPS", "SNIPS", "DR", "By action", "By channel", "seed 1"):
        assert words in told
    assert "The policy under test earns more than the logged one" in told


def test_json_has_every_figure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = log(tmp_path, 3_000, predictions=False)
    assert run(["evaluate", file, "--json", "--resamples", "200", "--clip", "2"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found["estimates"]) == {"ips", "snips"}
    assert found["supported"] is True
    assert found["clipped_share"] > 0.0
    low, value, high = (found["estimates"]["ips"][key] for key in ("low", "value", "high"))
    assert low < value < high


def test_without_support_it_says_so_and_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = log(tmp_path, 80)
    assert run(["evaluate", file, "--report", str(tmp_path / "r.html")]) == 1
    told = capsys.readouterr().out
    assert "Not enough support: its effective sample size is" in told
    assert "under test: IPS" not in told
    assert "Not enough support" in (tmp_path / "r.html").read_text()
    assert run(["evaluate", file, "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["estimates"] == {}


def test_the_report_stands_alone(tmp_path: Path) -> None:
    file, report = log(tmp_path, 3_000), tmp_path / "evaluation.html"
    assert run(["evaluate", file, "--report", str(report), "--resamples", "100"]) == 0
    page = report.read_text()
    assert page.count("<svg") == 5
    assert "action 3" in page
    assert "http" not in page


def test_a_wrong_file_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "log.csv"
    path.write_text("action,reward,propensity,target_probability\na,1,0,1\n")
    assert run(["evaluate", str(path)]) == 1
    assert "column `propensity`, row 1: 0; it is the probability" in capsys.readouterr().err
