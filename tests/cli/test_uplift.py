from __future__ import annotations

import csv
import datetime as dt
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from nba_engine.app import open_app
from nba_engine.domain import Interaction, ProfileUpdate
from nba_engine.stages.contact_policy.control import in_control_group

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


def test_noise_writes_no_model_and_an_action_of_few_is_no_hindrance(
    tmp_path: Path, nba: Nba
) -> None:
    header = ("treated", "outcome", "age", "action")
    file = written(tmp_path / "trial.csv", effect=0.0, header=header)
    with file.open("a") as more:
        more.write("1,1,40,beer\n0,0,50,beer\n")
    assert nba("uplift", "fit", file, "--out", tmp_path / "u", "--json") == 1
    figures = json.loads(nba.out)
    assert figures["model"] is None
    assert [(one["action"], one["effect"]) for one in figures["actions"]] == [("x", None)]
    assert "1 treated and 1 not treated are too few" in figures["refused"]["beer"]
    assert not (tmp_path / "u").exists()
    assert nba("uplift", "fit", file, "--action", "beer", "--out", tmp_path / "u") == 1
    assert "beer: 1 treated and 1 not treated are too few" in nba.err


def test_mistakes_of_a_file_are_told(tmp_path: Path, nba: Nba) -> None:
    file = written(tmp_path / "trial.csv", effect=0.0)
    assert nba("uplift", "fit", file) == 2
    assert "the file has no column `action`" in nba.err
    odd = written(tmp_path / "odd.csv", effect=0.0, header=("outcome", "age", "treated", "city"))
    assert nba("uplift", "fit", odd, "--action", "wine") == 1
    assert "column `treated`, row 1" in nba.err


CONTROLLED = """
[control_groups.wine]
share = 0.4
applies_to = { actions = ["wine"] }
[outcomes.bought]
positive = ["purchase"]
within = "7d"
by = "what"
key = "what"
applies_to = { actions = ["wine"] }
[features.purchases]
source = "customer.purchases"
transform = "log1p"
"""


def test_a_control_group_is_a_trial(shop: Path, nba: Nba) -> None:
    catalog = shop.parent / "catalog" / "shop.toml"
    catalog.write_text(
        catalog.read_text().replace("value = 9.0", 'value = 9.0\nattributes = { what = "wine" }')
        + CONTROLLED
    )
    day, week = 86_400.0, 7 * 86_400.0
    with open_app(shop) as app:
        names = [f"crm:{n}" for n in range(1_200)]
        start = time.time() - 3 * week
        # who they are decides who is kept out, so they are known before that begins
        random = np.random.default_rng(3)
        before = [
            bought(name, number, "bread", start - day * (5 * random.random() + 0.1))
            for name in names
            for number in range(random.integers(1, 4))
        ]
        app.engine.load(interactions=before)
        group = app.engine.catalog.control_groups[0]
        purchases = []
        for name in names:
            kept_out = in_control_group(group, app.engine.profile(name).customer_id)
            if random.random() < (0.15 if kept_out else 0.45):
                purchases.append(bought(name, 9, "wine", start + random.random() * week))
        app.engine.load(interactions=purchases)
    began = dt.datetime.fromtimestamp(start, dt.UTC).isoformat()
    options = ("-s", shop, "--since", began)
    out = shop.parent / "uplift"
    assert nba("uplift", "fit", *options, "--action", "wine", "--out", out, "--json") == 0
    (found,) = json.loads(nba.out)["actions"]
    assert found["average"]["low"] < 0.3 < found["average"]["high"]
    assert found["treated"] / found["rows"] == pytest.approx(0.6, abs=0.05)
    assert nba("uplift", "fit", *options, "--action", "bread", "--out", out) == 1
    assert "no control group keeps anybody from 'bread'" in nba.err
    assert nba("uplift", "fit", *options) == 2
    assert "say which one it is, with --action" in nba.err
    late = dt.datetime.fromtimestamp(time.time() - day, dt.UTC).isoformat()
    assert nba("uplift", "fit", "-s", shop, "--since", late, "--action", "wine") == 1
    assert "wait another 6 days" in nba.err
    assert nba("uplift", "fit", "-s", shop, "--action", "wine", "--from", "control") == 2
    assert "when the control group began" in nba.err
    assert nba("uplift", "fit", "-s", shop, "--action", "wine") == 1
    assert "the decision log holds no randomization: none of its 0 decisions" in nba.err
    assert "begin of a control group with --since" in nba.err


def bought(identity: str, number: int, what: str, moment: float) -> Interaction:
    return Interaction(
        interaction_id=f"{identity}.{what}.{number}",
        identity=identity,
        type="purchase",
        time=moment,
        properties={"what": what},
    )
