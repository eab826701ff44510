from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nba_engine.app import open_app
from nba_engine.domain import Interaction
from nba_engine.models import load_table

if TYPE_CHECKING:
    from tests.cli.conftest import Nba

PAIRS = {"bread": "butter", "tea": "lemon", "pasta": "sauce", "beer": "crisps"}
WORDS = (*PAIRS, *PAIRS.values(), "milk", "salt", "soap", "eggs", "rice", "fish", "plums", "oats")


def baskets(count: int, *, seed: int = 1) -> list[list[str]]:
    """Two things by chance each, and mostly with what goes with them."""
    random = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        basket = set(random.choice(WORDS, size=2, replace=False).tolist())
        basket |= {PAIRS[one] for one in basket if one in PAIRS and random.random() < 0.95}
        found.append(sorted(basket))
    return found


def written(path: Path, found: list[list[str]]) -> Path:
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["basket", "item"])
        rows.writerows((number, item) for number, basket in enumerate(found) for item in basket)
    return path


def test_a_plain_file_becomes_a_table_and_a_report(tmp_path: Path, nba: Nba) -> None:
    file, out = written(tmp_path / "receipts.csv", baskets(900)), tmp_path / "goes.npz"
    assert nba("crosssell", "fit", file, "--out", out, "--at", "3") == 0
    assert next(iter(load_table(out).complements("tea"))) == "lemon"
    assert "Yes: " in nba.out
    assert "<svg" in (tmp_path / "goes.html").read_text()


def test_noise_leaves_the_old_table_and_the_exit_code_is_1(tmp_path: Path, nba: Nba) -> None:
    random = np.random.default_rng(4)
    noise = [random.choice(WORDS, size=3, replace=False).tolist() for _ in range(900)]
    file, out = written(tmp_path / "receipts.csv", noise), tmp_path / "goes.npz"
    out.write_bytes(b"the old one")
    assert nba("crosssell", "fit", file, "--out", out, "--at", "3", "--json") == 1
    figures = json.loads(nba.out)
    assert figures["chosen"] == "popularity"
    assert figures["table"] is None
    assert out.read_bytes() == b"the old one"


def test_substitutes_in_a_file_are_masked(tmp_path: Path, nba: Nba) -> None:
    file, out = written(tmp_path / "receipts.csv", baskets(900)), tmp_path / "goes.npz"
    other = tmp_path / "substitutes.csv"
    other.write_text("item,substitute\nlemon,tea\n")
    assert nba("crosssell", "fit", file, "--out", out, "--at", "3", "--substitutes", other) == 0
    assert "lemon" not in load_table(out).complements("tea")
    assert "butter" in load_table(out).complements("bread")


def test_purchases_in_the_store_become_the_table_that_the_settings_name(
    shop: Path, nba: Nba
) -> None:
    catalog = shop.parent / "catalog" / "shop.toml"
    catalog.write_text(
        catalog.read_text()
        + '[aggregates.last_bought]\nkind = "last"\ntypes = ["purchase"]\nby = "what"\n'
        + '[actions.tea]\nvalue = 1.0\nsubstitutes = ["bread"]\n'
        + '[actions.tea.treatments.banner]\nchannel = "web"\n'
    )
    purchases = [
        Interaction(
            interaction_id=f"b{number}",
            identity=f"crm:{number % 300}",
            type="purchase",
            time=86_400.0 * (number // 300 + 1),
            # a list is a basket of its own; single things of one day belong together
            properties={"what": basket if number % 5 else basket[0]},
        )
        for number, basket in enumerate(baskets(2_000))
    ]
    with open_app(shop) as app:
        app.engine.load(interactions=purchases)
    # the table is not there yet, and that is no mistake here
    stages = (
        shop.read_text() + '[[pipeline]]\nstage = "cross_sell"\nsettings = { table = "goes" }\n'
    )
    shop.write_text(stages + '[tables]\ngoes = "goes.npz"\n')
    assert nba("crosssell", "fit", "-s", shop, "--at", "3") == 0
    table = load_table(shop.parent / "goes.npz")
    assert next(iter(table.complements("pasta"))) == "sauce"
    assert "bread" not in table.complements("tea")


def test_mistakes_are_told_in_one_sentence(shop: Path, nba: Nba, tmp_path: Path) -> None:
    open_app(shop).close()
    assert nba("crosssell", "fit", "-s", shop) == 2
    assert "say --out" in nba.err
    assert nba("crosssell", "fit", "-s", shop, "--out", tmp_path / "t.npz") == 1
    assert "no interaction of purchase has texts in the property 'category'" in nba.err
    (tmp_path / "bad.csv").write_text("bon,item\n1,milk\n")
    assert nba("crosssell", "fit", tmp_path / "bad.csv") == 1
    assert "`basket`" in nba.err
    assert nba("crosssell", "fit", tmp_path / "bad.csv", "--item", "what") == 2
