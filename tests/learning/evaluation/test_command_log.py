"""`nba evaluate` on the log of an engine, as people call it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest

from nba_engine.cli.main import run
from nba_engine.learning.interactions import customers_of, history_of
from nba_engine.store import open_store
from tests.learning.evaluation.on_disk import RATE, explored_shop


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return explored_shop(tmp_path_factory.mktemp("shop"))


def found(
    capsys: pytest.CaptureFixture[str], settings: Path, *options: str, code: int = 0
) -> dict[str, Any]:
    assert run(["evaluate", "-s", str(settings), "--json", "--resamples", "200", *options]) == code
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    return told


def test_what_was_logged_is_measured(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["evaluate", "-s", str(shop), "--resamples", "200"]) == 0
    told = capsys.readouterr().out
    assert "600 decisions of 300 customers" in told
    assert "The logged policy itself earned" in told
    assert "under test: IPS" not in told
    assert "cheese" in told


def test_a_changed_catalog_and_a_challenger_are_held_against_the_log(
    shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    catalog = found(capsys, shop, "--catalog", str(shop.parent / "new-catalog"))
    model = found(capsys, shop, "--model", f"propensity={shop.parent / 'models' / 'new'}")
    for told in (catalog, model):
        assert set(told["estimates"]) == {"ips", "snips", "dr"}
        assert told["differences"]["snips"]["low"] > 0.0
        assert told["estimates"]["snips"]["value"] < max(RATE.values())
    assert catalog["estimates"] != model["estimates"]


def test_what_is_in_force_is_no_change(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = found(capsys, shop, "--catalog", str(shop.parent / "catalog"))
    assert told["largest_weight"] == pytest.approx(1.0)
    assert told["differences"]["ips"]["value"] == pytest.approx(0.0, abs=1e-12)


def test_a_challenger_with_a_share_is_measured_on_its_share_and_on_everybody(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = explored_shop(tmp_path, decisions=300, challenger=True)
    itself = found(capsys, settings)
    shares = {part["name"]: part["logged_share"] for part in itself["models"]}
    assert set(shares) == {"boosted", "propensity"}
    assert 0.4 < shares["boosted"] < 0.6
    rewards = {part["name"]: part["target"]["value"] for part in itself["models"]}
    assert rewards["boosted"] > rewards["propensity"]
    everybody = found(capsys, settings, "--model", "propensity=boosted")
    assert everybody["differences"]["snips"]["low"] > 0.0


def test_value_is_in_the_currency(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = found(capsys, shop, "--reward", "value", "--limit", "200")
    assert told["reward"] == "EUR per decision"
    assert told["decisions"] == 200


def test_decisions_of_some_time_are_taken(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["evaluate", "-s", str(shop), "--since", "2030-01-01"]) == 1
    assert "no logged decision to evaluate: none is on record" in capsys.readouterr().err
    assert run(["evaluate", "-s", str(shop), "--until", "2023-11-20"]) == 1
    assert "the time for an outcome is not over (600)" in capsys.readouterr().err


def test_without_exploration_another_catalog_has_no_number(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = explored_shop(tmp_path, decisions=120, exploration=False)
    told = found(capsys, settings, "--catalog", str(tmp_path / "new-catalog"), code=1)
    assert told["supported"] is False
    assert "the logged policy explored nothing" in told["reason"]


def interactions_in(settings: Path, file: Path) -> Path:
    """What customers did, as the store holds it, in a file."""
    store = open_store(settings.parent / "data" / "nba.db", create=False)
    try:
        with file.open("w") as out:
            for customer_id in customers_of(store):
                for one in history_of(store, customer_id) or ():
                    out.write(json.dumps(msgspec.to_builtins(one)) + "\n")
    finally:
        store.close()
    return file


def test_exported_decisions_and_interactions_give_the_figures_of_log_and_store(
    shop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    challenger = ("--model", f"propensity={shop.parent / 'models' / 'new'}")
    there = found(capsys, shop, *challenger)
    parquet = str(tmp_path / "parquet")
    assert run(["log", "export", "--out", parquet, "-s", str(shop)]) == 0
    capsys.readouterr()
    exported = found(capsys, shop, "--log", parquet, *challenger)
    # elsewhere, without log and store
    for name in ("catalog", "models"):
        shutil.copytree(shop.parent / name, tmp_path / name)
    settings = tmp_path / "nba.toml"
    settings.write_text(shop.read_text())
    did = str(interactions_in(shop, tmp_path / "did.jsonl"))
    alone = found(capsys, settings, "--log", parquet, "--interactions", did, *challenger)
    for told in (exported, alone):
        assert told["source"].startswith(parquet)
        assert {**told, "source": ""} == {**there, "source": ""}
    assert run(["evaluate", "-s", str(settings), "--log", parquet]) == 1
    assert "or in files (--interactions)" in " ".join(capsys.readouterr().err.split())


def test_what_happened_after_the_last_interaction_of_a_file_is_not_known(
    shop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = interactions_in(shop, tmp_path / "did.jsonl").read_text().splitlines()
    early = [line for line in lines if '"z"' not in line]  # the one a week later
    (tmp_path / "did.jsonl").write_text("\n".join(early))
    did = str(tmp_path / "did.jsonl")
    assert run(["evaluate", "-s", str(shop), "--interactions", did]) == 1
    assert "the time for an outcome is not over (600)" in capsys.readouterr().err


def test_files_that_hold_something_else_are_named_with_row_and_remedy(
    shop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    did = tmp_path / "did.csv"
    did.write_text("interaction_id,identity,type,time\na,crm:1,accept,1\nb,crm:1,accept,\n")
    assert run(["evaluate", "-s", str(shop), "--interactions", str(did)]) == 1
    assert "did.csv: row 2: column 'time' is missing; nba import" in told_words(capsys)
    did.write_text("interaction_id,identity,type,time\n")
    assert run(["evaluate", "-s", str(shop), "--interactions", str(did)]) == 1
    assert "there is no interaction in it" in told_words(capsys)
    assert run(["evaluate", "-s", str(shop), "--log", str(tmp_path)]) == 1
    assert "no *.parquet files; nba log export writes them" in told_words(capsys)
    assert run(["log", "export", "--out", str(tmp_path / "parquet"), "-s", str(shop)]) == 0
    (file,) = (tmp_path / "parquet").rglob("*.parquet")
    assert run(["evaluate", str(file)]) == 1
    assert "it is a decision log of this engine: name it with --log" in told_words(capsys)


def told_words(capsys: pytest.CaptureFixture[str]) -> str:
    return " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (("log.csv", "--log", "models"), 2, "--log goes with the log of the settings"),
        (("--model", "propensity"), 2, "is not NAME=MODEL"),
        (("--model", "other=models/new"), 1, "have no model 'other'; there are: propensity"),
        (("--model", "propensity=nowhere"), 78, "nowhere"),
        (("log.csv", "--catalog", "new-catalog"), 2, "--catalog goes with the log"),
    ],
)
def test_wrong_options_are_told(
    shop: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: tuple[str, ...],
    code: int,
    words: str,
) -> None:
    monkeypatch.chdir(shop.parent)
    Path("log.csv").write_text("action,reward,propensity,target_probability\na,1,1,1\n")
    assert run(["evaluate", *options]) == code
    assert words in " ".join(capsys.readouterr().err.split())
