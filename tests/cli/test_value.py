from __future__ import annotations

import csv
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nba_engine.app import open_app
from nba_engine.catalog import Vocabulary, load, read_folder
from nba_engine.domain import CustomerView, Interaction
from nba_engine.learning.value import Purchases
from tests.learning.value.simulated import simulate

if TYPE_CHECKING:
    from tests.cli.conftest import Nba

DAY = 86_400.0
VALUE = "[value]\nhorizon = '60d'\ncost_of_goods = 0.6\nmargin = 0.1\nnew_customer = 2.0\n"


@pytest.fixture(scope="module")
def purchases() -> Purchases:
    return simulate(1, customers=250, early=True).purchases


@pytest.fixture
def file(purchases: Purchases, tmp_path: Path) -> Path:
    path = tmp_path / "purchases.csv"
    with path.open("w", newline="") as out:
        rows = csv.writer(out)
        rows.writerow(["customer", "time", "amount"])
        for who, when, paid in zip(*(column.tolist() for column in purchases), strict=True):
            rows.writerow([f"crm:{who}", (when + 20_000) * DAY, round(paid, 2)])
    return path


def test_a_plain_file_gives_figures_a_report_and_a_line_per_customer(
    file: Path, nba: Nba, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    day = "2025-06-10"  # the 250th of them
    assert nba("value", "fit", file, "--until", day, "--json", "--customers", "values.csv") == 0
    figures = json.loads(nba.out)
    assert figures["model"] in ("bg_nbd", "mbg_nbd")
    assert figures["held_out_days"] == 365 - 250
    assert figures["parameters"]["mbg_nbd"]["r"] == pytest.approx(1.5, rel=0.5)
    assert figures["held_out"]["mbg_nbd"]["correlation"] > 0.6
    assert figures["spend"]["held_out"]["gamma_gamma"] < figures["spend"]["held_out"]["everybody"]
    assert figures["model_file"] is None
    with (tmp_path / "values.csv").open() as values:
        rows = list(csv.DictReader(values))
    assert len(rows) == 250
    assert all(0 <= float(row["p_alive"]) <= 1 for row in rows)
    expected = sum(float(row["expected_purchases"]) for row in rows)
    assert expected == pytest.approx(figures["final"]["expected_purchases"], rel=1e-4)
    page = (tmp_path / "value.html").read_text()
    assert page.count("<svg") >= 4
    assert nba("value", "fit", file, "--until", day) == 0
    assert "tells best how often customers buy" in nba.out
    assert "what happened" in nba.out


def test_the_store_s_purchases_become_a_model_that_is_published(
    purchases: Purchases, shop: Path, nba: Nba, tmp_path: Path
) -> None:
    catalog = shop.parent / "catalog"
    page = tmp_path / "page.html"
    assert nba("value", "fit", "-s", shop) == 1  # no store yet
    today = time.time() // DAY
    history = [
        Interaction(
            interaction_id=f"i{at}",
            identity=f"crm:{who}",
            type="purchase",
            time=(when + today - 365) * DAY,
            properties={"amount": paid},
        )
        for at, (who, when, paid) in enumerate(
            zip(*(column.tolist() for column in purchases), strict=True)
        )
    ]
    with open_app(shop, publish=True) as app:
        app.engine.load(interactions=history)
    assert nba("value", "fit", "-s", shop) == 1
    assert "add the table [value]" in nba.err
    (catalog / "value.toml").write_text(VALUE)
    assert nba("catalog", "publish", "-s", shop) == 0
    assert nba("value", "fit", "-s", shop, "--report", page) == 0
    assert "nba catalog publish" in nba.out
    assert "run nba rebuild" in nba.out
    assert page.is_file()
    assert nba("catalog", "publish", "-s", shop) == 0
    assert nba("rebuild", "-s", shop) == 0
    assert nba("value", "fit", "-s", shop, "--report", page, "--json") == 0
    figures = json.loads(nba.out)
    assert figures["final"]["horizon_days"] == 60
    with open_app(shop) as app:
        engine = app.engine
        expected = 0.0
        for who in range(250):
            state = engine.profile(f"crm:{who}")
            view = CustomerView(state, engine.catalog.aggregates, (today - 0.5) * DAY)
            expected += view["expected_purchases"]
            assert view["ad_budget"] == pytest.approx(
                max(0.0, view["expected_purchases"] * view["expected_spend"] * 0.3)
            )
        assert expected == pytest.approx(figures["final"]["expected_purchases"], rel=1e-9)
    model = load(read_folder(catalog), Vocabulary()).aggregates["ad_budget"].value
    assert model is not None
    assert model.model is not None
    assert model.model.purchases.r == figures["final"]["purchases"]["r"]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--until", "soon"], 2, "is no date"),
        (["--until", "1999-01-01"], 1, "are not on both sides of --until 1999-01-01: choose a day"),
        (["--report", "nowhere/value.html"], 2, "there is no folder"),
    ],
)
def test_mistakes_are_told_in_one_sentence(
    file: Path, nba: Nba, arguments: list[str], code: int, words: str
) -> None:
    assert nba("value", "fit", file, *arguments) == code
    assert words in " ".join(nba.err.split())


def test_a_fit_that_fails_leaves_the_old_model(shop: Path, nba: Nba) -> None:
    catalog = shop.parent / "catalog"
    (catalog / "value.toml").write_text(VALUE)
    (catalog / "value_model.toml").write_text(
        '[value_model]\ntypes = ["purchase"]\namount = "amount"\n'
        'purchases = { kind = "gamma_poisson", r = 1.0, alpha = 10.0 }\n'
    )
    before = (catalog / "value_model.toml").read_text()
    with open_app(shop) as app:
        once = Interaction(interaction_id="i", identity="crm:1", type="purchase", time=1e9)
        app.engine.load(interactions=[once])
    assert nba("value", "fit", "-s", shop) == 1
    assert (catalog / "value_model.toml").read_text() == before


def test_returns_in_a_file_are_refused_with_their_row_or_netted(
    file: Path, nba: Nba, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    lines = file.read_text().splitlines()
    customer, moment, _ = lines[7].split(",")
    lines.insert(8, f"{customer},{moment},-1.00")
    file.write_text("\n".join(lines))
    assert nba("value", "fit", file) == 1
    assert "column `amount`, row 8: -1 is negative" in nba.err
    assert nba("value", "fit", file, "--returns", "net") == 0
    assert "1 return was taken off what was bought before" in nba.out
