from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nba_engine.app import open_app
from nba_engine.domain import ProfileUpdate

if TYPE_CHECKING:
    from tests.cli.conftest import Nba


def written(path: Path, *, effect: float, header: tuple[str, ...] = ()) -> Path:
    """A trial of 3,000: wine by e-mail persuades the young and puts off the old."""
    random = np.random.default_rng(1)
    age = random.integers(18, 80, size=3_000)
    treated = random.random(3_000) < 0.5
    outcome = random.random(3_000) < 0.4 + effect * treated * np.where(age < 40, 1.0, -0.5)
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(header or ("treated", "outcome", "age", "city"))
        rows.writerows(
            zip(treated.astype(int), outcome.astype(int), age, ["x"] * 3_000, strict=True)
        )
    return path


def test_a_trial_becomes_a_model_by_which_the_engine_decides(shop: Path, nba: Nba) -> None:
    file, out = written(shop.parent / "trial.csv", effect=0.4), shop.parent / "uplift"
    assert nba("uplift", "fit", file, "--action", "wine", "--out", out) == 0
    assert "wine: yes, and it differs between customers" in nba.out
    assert "<svg" in (shop.parent / "uplift.html").read_text()
    catalog = shop.parent / "catalog" / "shop.toml"
    catalog.write_text(
        catalog.read_text().replace("value = 9.0", 'value = 9.0\nobjective = "uplift"')
    )
    assert nba("check", "-s", shop) == 78
    assert "there is no stage uplift" in nba.err
    stage = '[[pipeline]]\nstage = "value"'
    shop.write_text(
        shop.read_text().replace(stage, f'[[pipeline]]\nstage = "uplift"\n{stage}')
        + '[models]\nuplift = "uplift"\n'
    )
    assert nba("check", "-s", shop) == 0
    with open_app(shop) as app:
        for identity, age in (("crm:young", 25), ("crm:old", 60)):
            app.engine.update_profile(ProfileUpdate(identity=identity, attributes={"age": age}))
    assert nba("decide", "crm:young", "-s", shop, "-p", "home:2", "--explain") == 0
    assert "“Wine” by Web is first" in nba.out
    assert "showing it adds" in nba.out
    assert nba("decide", "crm:old", "-s", shop, "-p", "home:2", "--json") == 0
    shown = {one["action"] for one in json.loads(nba.out)["recommendations"]}
    assert shown == {"bread"}  # showing wine would keep this customer from it


def test_noise_writes_no_model(tmp_path: Path, nba: Nba) -> None:
    file = written(tmp_path / "trial.csv", effect=0.0)
    assert nba("uplift", "fit", file, "--action", "wine", "--out", tmp_path / "u", "--json") == 1
    figures = json.loads(nba.out)
    assert figures["model"] is None
    assert figures["actions"][0]["effect"] is None
    assert not (tmp_path / "u").exists()


def test_mistakes_of_a_file_are_told(tmp_path: Path, nba: Nba) -> None:
    file = written(tmp_path / "trial.csv", effect=0.0)
    assert nba("uplift", "fit", file) == 2
    assert "--action" in nba.err
    odd = written(tmp_path / "odd.csv", effect=0.0, header=("outcome", "age", "treated", "city"))
    assert nba("uplift", "fit", odd, "--action", "wine") == 1
    assert "column `treated`, row 1" in nba.err
