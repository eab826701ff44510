"""`nba train`: from a plain table, from the decision log, and what it refuses."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest

from nba_engine.app import open_app
from nba_engine.domain import DecisionRequest, Interaction, PlacementRequest
from nba_engine.models import load_manifest, predict_columns
from nba_engine.store import open_store
from tests.cli.conftest import CATALOG, Nba

START, DAY = 1_700_000_000.0, 86_400.0
LEARNED = """
[outcomes.taken]
within = "2d"
[features.bought]
source = "customer.purchases"
[features.action]
source = "action.id"
transform = "category"
[features.age]
source = "customer.age"
default = -1
"""


def visits(file: Path, effect: Callable[[float], float], rows: int = 800) -> Path:
    random = np.random.default_rng(1)
    with file.open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["day", "bought", "age", "color"])
        for row in range(rows):
            age = float(random.integers(18, 80))
            color = str(random.choice(["red", "blue"]))
            chance = 1 / (1 + np.exp(-effect(age)))
            writer.writerow([START + row * 600, int(random.random() < chance), age, color])
    return file


def steep(age: float) -> float:
    return 0.1 * (age - 49)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def table(nba: Nba, file: Path, *more: str) -> int:
    return nba("train", "--table", file, "--label", "bought", "--time", "day", *more)


def test_a_plain_table_becomes_a_model_that_predicts_its_columns(nba: Nba, here: Path) -> None:
    assert table(nba, visits(here / "visits.csv", steep), "--model", "logistic") == 0
    assert "Yes: it beats the baselines" in nba.out
    assert "model: models/propensity" in nba.out
    low, high = predict_columns(here / "models" / "propensity", {"age": [20.0, 75.0]})
    assert low < 0.2 < 0.8 < high
    manifest = load_manifest(here / "models" / "propensity")
    assert manifest.label == "bought of visits.csv"
    assert manifest.metrics["auc"] > 0.7
    assert "<svg" in (here / "propensity-report.html").read_text()


def test_noise_is_told_reported_and_not_kept(nba: Nba, here: Path) -> None:
    file = visits(here / "visits.csv", lambda _: 0.0)
    assert table(nba, file, "--model", "logistic") == 1
    assert "No: it does not beat the baselines" in nba.out
    assert not (here / "models").exists()
    assert (here / "propensity-report.html").exists()


def test_figures_come_out_as_json(nba: Nba, here: Path) -> None:
    file = visits(here / "visits.csv", steep)
    assert table(nba, file, "--model", "logistic", "--seed", "3", "--json") == 0
    found = json.loads(nba.out)
    assert found["beats_baselines"] is True
    assert found["held_out"]["model"]["log_loss"] < found["held_out"]["popularity"]["log_loss"]
    assert found["examples"]["held_out"] == 120
    assert found["seed"] == 3


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--table", "visits.csv", "--label", "bought"), "--table needs --label COLUMN and --time"),
        (("--label", "bought"), "need --table"),
        (("--table", "visits.csv", "--label", "b", "--time", "day", "--from", "history"), "--from"),
        (("--every", "soon"), "is not a duration"),
        (("--every", "7d"), "--every needs --from history"),
        (("--from", "history", "--log", "visits.csv"), "--log holds decisions"),
    ],
)
def test_wrong_usage_is_told(nba: Nba, here: Path, arguments: tuple[str, ...], said: str) -> None:
    visits(here / "visits.csv", steep, 20)
    assert nba("train", *arguments) == 2
    assert said in nba.err


def test_a_column_that_is_not_there_is_named_with_those_that_are(nba: Nba, here: Path) -> None:
    file = visits(here / "visits.csv", steep, 20)
    assert nba("train", "--table", file, "--label", "taken", "--time", "day") == 1
    assert "no column `taken`; it has `day`, `bought`, `age`, `color`" in nba.err


def learn(shop: Path, decisions: int = 500) -> list[Interaction]:
    """A simulated store and log: who bought before accepts, the others mostly do not."""
    every: list[Interaction] = []
    (shop.parent / "catalog" / "shop.toml").write_text(CATALOG + LEARNED)
    (shop.parent / "data").mkdir()
    open_store(shop.parent / "data" / "nba.db", simulated=True).close()
    random = np.random.default_rng(4)
    with open_app(shop) as app:
        for number in range(decisions):
            now, name = START + number * DAY / 8, f"crm:{number}"
            told = [
                Interaction(
                    interaction_id=f"p{number}-{count}",
                    identity=name,
                    type="purchase",
                    time=now - 9,
                )
                for count in range(number % 2 * 3)
            ]
            if told:
                app.engine.record(told)
                every += told
            request = DecisionRequest(
                identity=name, placements=(PlacementRequest("home", 1),), time=now
            )
            (shown,) = app.engine.decide(request).recommendations
            if random.random() < (0.8 if number % 2 else 0.1):
                accept = Interaction(
                    interaction_id=f"a{number}",
                    identity=name,
                    type="accept",
                    time=now + 60,
                    recommendation_id=shown.recommendation_id,
                )
                app.engine.record([accept])
                every.append(accept)
        end = Interaction(
            interaction_id="end", identity="crm:0", type="accept", time=START + decisions * DAY / 8
        )
        app.engine.record([end])
    return [*every, end]


def test_the_decision_log_becomes_a_version_in_the_registry(
    nba: Nba, shop: Path, here: Path
) -> None:
    told = learn(shop)
    assert nba("train", "-s", shop, "--model", "logistic") == 0, nba.out
    assert "left out, its time is not over" in nba.out
    version = nba.out.rsplit("nba model promote propensity ", 1)[1].strip()
    folder = shop.parent / "registry" / "propensity" / "versions" / version
    manifest = load_manifest(folder)
    assert manifest.label == "accept within 2d"
    assert [feature.name for feature in manifest.features] == ["bought", "action", "age"]
    assert manifest.features[1].categories == ("bread", "wine")
    assert nba("model", "promote", "propensity", version, "-s", shop) == 0, nba.err
    assert nba("log", "export", "--out", "exported", "-s", shop) == 0, nba.err
    did = here / "did.jsonl"
    did.write_text("\n".join(json.dumps(msgspec.to_builtins(one)) for one in told))
    for name in ("nba.db", "decisions.db"):  # the files alone are enough
        (shop.parent / "data" / name).unlink()
    command = ("train", "-s", shop, "--log", "exported", "--model", "logistic", "--json")
    assert nba(*command) == 1
    assert "nba.db does not exist" in nba.err
    assert nba(*command, "--interactions", did) == 0, nba.err
    found = json.loads(nba.out)
    assert found["version"] == version, "the same decisions and outcomes give the same model"
    assert found["drift"]["bought"] == 0.0, "nothing has changed since"


def test_without_features_the_remedy_is_told(nba: Nba, shop: Path) -> None:
    assert nba("decide", "crm:1", "-s", shop) == 0
    assert nba("train", "-s", shop) == 1
    assert "declares no [features.<name>]" in nba.err
