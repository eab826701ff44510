"""The whole demo over a few households: what it leaves, prints, and checks of itself."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import click
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from nba_demo import demo
from nba_demo.demo import run_demo
from nba_demo.plugin import nba_commands
from nba_engine.app import check
from nba_engine.store import open_log_reader

pytestmark = pytest.mark.timeout(300)  # whoever comes first waits for the whole demo

HOUSEHOLDS = 45


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, dict[str, Any]]:
    out = tmp_path_factory.mktemp("run") / "demo"
    text = io.StringIO()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(demo, "learn_everything", lambda *_: ())  # test_full.py has it
        run_demo(
            out,
            households=HOUSEHOLDS,
            seed=7,
            console=Console(file=text, width=100, highlight=False),
            per_code=1,
            full=True,
        )
    summary: dict[str, Any] = json.loads((out / "summary.json").read_bytes())
    return out, text.getvalue(), summary


def test_every_decision_adds_up_and_keeps_its_limits(
    shown: tuple[Path, str, dict[str, Any]],
) -> None:
    _, _, summary = shown
    assert summary["decisions"] > 100
    sums = summary["sums"]
    assert (sums["checked"], sums["violations"]) == (summary["decisions"], 0)
    assert sums["weighed"] < summary["decisions"] * sum(sums["per_placement"].values())
    assert summary["limits_held"]["violations"] == summary["overruns"] == 0
    assert summary["degraded"] == 0
    assert summary["failures"] == []


def test_survivors_are_reproduced_and_all_choosers_fill_the_same_places(
    shown: tuple[Path, str, dict[str, Any]],
) -> None:
    hits = shown[2]["hits"]
    assert hits["mismatches"] == 0
    choosers = hits["choosers"].values()
    assert len({(one["offers"], one["new_offers"]) for one in choosers}) == 1
    assert all(0 < one["hits"] < one["offers"] for one in choosers)


def test_the_change_an_explanation_names_brings_the_candidate_past_the_stage(
    shown: tuple[Path, str, dict[str, Any]],
) -> None:
    explanations = shown[2]["explanations"]
    assert {"eligibility/not_applicable", "slate/outranked"} <= set(explanations)
    assert all(one["first"] + one["later"] == one["tried"] for one in explanations.values())


def test_the_summary_is_calm_and_says_what_it_cannot_support(
    shown: tuple[Path, str, dict[str, Any]],
) -> None:
    out, text, _ = shown
    assert max(len(line) for line in text.splitlines()) <= 100 + len(str(out)) + 60
    for words in ("A purchase is not an acceptance", "Spend per limit", "Why not", "serve -s"):
        assert words in text


def test_the_folder_is_a_ready_engine_with_pictures(
    shown: tuple[Path, str, dict[str, Any]],
) -> None:
    out, _, _ = shown
    assert check(out / "nba.toml", environ={}) == []
    pictures = sorted(path.name for path in (out / "plots").iterdir())
    assert pictures == ["calibration.png", "funnel.png", "hits.png", "plan.png", "spend.png"]
    assert all(path.stat().st_size > 10_000 for path in (out / "plots").iterdir())


def test_the_command_is_added_by_its_hook() -> None:
    group = click.Group()
    nba_commands(group)
    assert set(group.commands) == {"demo"}


def test_the_weeks_are_replayed_without_the_plan_within_the_same_limits(
    shown: tuple[Path, str, dict[str, Any]],
) -> None:
    out, text, summary = shown
    both = json.loads((out / "replays.json").read_bytes())
    with_plan, without = both["with_plan"], both["without_plan"]
    assert with_plan["contacts"] == summary["followed"]["contacts"]
    assert with_plan["spend"] == pytest.approx(summary["followed"]["spend"])
    assert (with_plan["overruns"], without["overruns"]) == (0, 0)
    assert sum(without["contacts"].values()) == sum(without["by_week"]) > 0
    assert without["contacts"] != with_plan["contacts"]
    assert "The replay with the plan and its prices, and without ─" in text
    for folder, planned in ((out, True), (out / "without_plan", False)):
        log = open_log_reader(folder / "data" / "decisions.db")
        records = log.recent(10_000)
        log.close()
        assert len(records) == summary["decisions"]
        assert any(one.contact_plan is not None for one in records) is planned


def test_the_page_of_the_demo_shows_the_sections_that_are_printed(
    shown: tuple[Path, str, dict[str, Any]],
) -> None:
    page = (Path(__file__).parents[3] / "docs" / "demo.md").read_text("utf-8")
    heading = re.compile(r"^(\S.*?) ─{3,}$", re.MULTILINE)
    assert len(heading.findall(page)) > 5
    assert heading.findall(page) == heading.findall(shown[1])


def test_the_plan_keeps_its_rules_and_what_is_compared_with_it_earns_no_more(
    shown: tuple[Path, str, dict[str, Any]],
) -> None:
    out, text, summary = shown
    planned = summary["planned"]
    with_plan, *without = planned["ways"]
    assert len(without) == 2
    assert 0.0 < with_plan["value"] <= planned["bound"] * (1.0 + 1e-9)
    assert all(0.0 < way["value"] <= planned["bound"] * (1.0 + 1e-9) for way in without)
    assert all(kept["over"] == 0.0 for way in planned["ways"] for kept in way["limits"])
    chains: dict[str, list[dict[str, Any]]] = {}
    for row in pq.read_table(out / "plan" / "plan.parquet").to_pylist():
        chains.setdefault(row["customer"], []).append(row)
    assert len(chains) == with_plan["households"]
    for chain in chains.values():
        assert len({row["period"] for row in chain}) == len(chain) <= 3
        assert len({row["action"] for row in chain}) == len(chain)
        assert min(row["budget_left"] for row in chain) >= 0.0
    rows = [row for chain in chains.values() for row in chain]
    assert with_plan["value"] == pytest.approx(sum(row["value"] - row["cost"] for row in rows))
    assert "Nobody was really contacted" in text


def test_the_replay_follows_the_plan(shown: tuple[Path, str, dict[str, Any]]) -> None:
    summary = shown[2]
    followed, with_plan = summary["followed"], summary["planned"]["ways"][0]
    assert followed["as_planned"] > 0
    assert followed["unplanned"] == 0
    assert followed["as_planned"] + followed["anew"] == sum(followed["contacts"].values())
    missed = followed["not_asked"] + followed["changed"]
    assert followed["as_planned"] + missed == sum(with_plan["contacts"].values())
    sent = {name: sum(summary["contacts"][name].values()) for name in ("email", "letter")}
    nothing = {name: summary["contacts"][name].get("nothing", 0) for name in sent}
    for name, number in followed["contacts"].items():
        assert number == sent[name] - nothing[name]
    dropped = {line["reason"] for line in summary["funnel"] if line["stage"] == "contact_plan"}
    assert dropped == {"not_planned"}
