from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from nba_engine.app import open_app
from nba_engine.domain import Interaction

if TYPE_CHECKING:
    from tests.cli.conftest import Nba

AGGREGATES = """
[attributes.segment]
type = "string"
[aggregates.by_what]
kind = "count"
types = ["purchase"]
by = "what"
[aggregates.last_purchase]
kind = "last"
types = ["purchase"]
[rules.wine_lovers]
tier = "suitability"
when = 'customer.segment != "Wine lovers"'
applies_to = { actions = ["bread"] }
"""
DAY = 86_400.0


@pytest.fixture(scope="module")
def behavior() -> np.ndarray:
    """Purchases of wine, bread and tea of 400 customers: two kinds of customers."""
    random = np.random.default_rng(5)
    wine = np.arange(400) < 160
    rates = np.where(wine[:, np.newaxis], [9.0, 2.0, 1.0], [1.0, 8.0, 6.0])
    return random.poisson(rates)


@pytest.fixture
def grouped(shop: Path, behavior: np.ndarray) -> Path:
    catalog = shop.parent / "catalog" / "shop.toml"
    catalog.write_text(catalog.read_text() + AGGREGATES)
    purchases = [
        Interaction(
            interaction_id=f"{customer}.{what}.{number}",
            identity=f"crm:{customer}",
            type="purchase",
            time=1_700_000_000.0 + DAY * ((customer + number) % 30),
            properties={"what": what},
        )
        for customer, row in enumerate(behavior.tolist())
        for what, count in zip(("wine", "bread", "tea"), row, strict=True)
        for number in range(count)
    ]
    with open_app(shop) as app:
        app.engine.load(interactions=purchases)
    return shop


def test_segments_of_the_store_are_in_profiles_and_rules_and_their_names_may_be_edited(
    grouped: Path, nba: Nba, tmp_path: Path
) -> None:
    out = tmp_path / "personas"
    assert nba("segments", "fit", "-s", grouped, "--out", out, "--most", "4") == 0
    assert "Yes: 2 groups" in nba.out
    assert "<svg" in (tmp_path / "personas.html").read_text()
    with open_app(grouped) as app:
        wine, bread = (str(app.engine.profile(f"crm:{n}").attributes["segment"]) for n in (0, 399))
    assert wine != bread
    names = tmp_path / "personas.toml"
    names.write_text(names.read_text().replace(f'"{wine}"', '"Wine lovers"'))
    assert nba("segments", "apply", "-s", grouped, "--model", out) == 0
    moved = re.search(r"Wine lovers: (\d+) customers", nba.out)
    assert moved is not None
    assert 150 < int(moved[1]) < 190
    assert f"{moved[1]} profiles written" in nba.out  # and no other
    assert nba("segments", "apply", "-s", grouped, "--model", out) == 0
    assert "0 profiles written" in nba.out
    assert nba("decide", "crm:0", "-s", grouped, "-p", "home:2", "--json") == 0
    assert "Fresh bread" not in nba.out
    assert nba("decide", "crm:399", "-s", grouped, "-p", "home:2", "--json") == 0
    assert "Fresh bread" in nba.out


def test_profiles_need_an_attribute_for_the_name(shop: Path, nba: Nba) -> None:
    open_app(shop).close()
    assert nba("segments", "fit", "-s", shop) == 1
    assert "write [attributes.segment]" in nba.err
    assert nba("segments", "apply", "-s", shop, "--model", shop.parent / "none") == 1
    assert "run nba segments fit first" in nba.err


def written(path: Path, header: list[str], rows: np.ndarray) -> Path:
    with path.open("w", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(["customer", *header])
        lines.writerows([f"c{n}", *row] for n, row in enumerate(rows.tolist()))
    return path


def test_a_plain_file_gets_segments_and_a_file_of_who_belongs_where(
    tmp_path: Path, nba: Nba, behavior: np.ndarray
) -> None:
    file = written(tmp_path / "customers.csv", ["wine", "bread", "tea"], behavior)
    told = tmp_path / "who.csv"
    arguments = ["--out", tmp_path / "personas", "--assignments", told, "--most", "4", "--json"]
    assert nba("segments", "fit", file, "--value", "tea", *arguments) == 0
    figures = json.loads(nba.out)
    assert figures["groups"] == 2
    with told.open() as rows:
        segments = {row["customer"]: row["segment"] for row in csv.DictReader(rows)}
    assert len(segments) == 400
    assert segments["c0"] != segments["c399"]
    worth = {one["name"]: one["value"] for one in figures["segments"]}
    assert worth[segments["c0"]] < worth[segments["c399"]]


def test_noise_is_refused_and_writes_no_model(tmp_path: Path, nba: Nba) -> None:
    random = np.random.default_rng(2)
    file = written(tmp_path / "customers.csv", ["a", "b", "c"], random.random((400, 3)))
    assert nba("segments", "fit", file, "--out", tmp_path / "none", "--most", "4") == 1
    assert nba.out.startswith("No: behavior is not described better by groups than by one")
    assert not (tmp_path / "none").exists()


def test_a_column_that_is_not_there_is_told(tmp_path: Path, nba: Nba, behavior: np.ndarray) -> None:
    file = written(tmp_path / "customers.csv", ["wine", "bread", "tea"], behavior)
    assert nba("segments", "fit", file, "--feature", "rum") == 1
    assert "no column `rum`; it has customer, wine, bread, tea" in nba.err


def test_a_customer_who_stands_in_two_rows_is_one_error(
    tmp_path: Path, nba: Nba, behavior: np.ndarray
) -> None:
    file = written(tmp_path / "customers.csv", ["wine", "bread", "tea"], behavior)
    with file.open("a") as lines:
        lines.write("c2,1,2,3\nc2,1,2,3\n")
    assert nba("segments", "fit", file, "--out", tmp_path / "none") == 1
    assert "column `customer`, row 401 (and 1 more): 'c2' stands in row 3 already" in nba.err
    assert not (tmp_path / "none").exists()
