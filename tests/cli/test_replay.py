"""`nba replay`: what it says of decisions that repeat, differ, or have lost an input."""

from __future__ import annotations

import json
from pathlib import Path

import apsw

from tests.cli.conftest import Nba


def decided(nba: Nba, shop: Path, *, times: int = 1) -> list[str]:
    """The ids of some decisions."""
    ids = []
    for number in range(times):
        assert nba("decide", f"crm:{number}", "-s", shop, "--json") == 0
        ids.append(json.loads(nba.out)["decision_id"])
    return ids


def test_a_decision_is_replayed_as_it_was(nba: Nba, shop: Path) -> None:
    (decision,) = decided(nba, shop)
    assert nba("replay", decision, "-s", shop) == 0
    assert nba.out == f"{decision}: identical (3 candidates, 1 recommended)\n"


def test_all_are_replayed_or_the_newest_few(nba: Nba, shop: Path) -> None:
    decided(nba, shop, times=3)
    assert nba("replay", "--all", "-s", shop) == 0
    assert nba.out == "3 decisions: 3 identical, 0 differ, 0 cannot be replayed\n"
    assert "replaying" in nba.err
    assert nba("replay", "--all", "--limit", 2, "-s", shop) == 0
    assert nba.out.startswith("2 decisions: 2 identical")
    assert nba("replay", "--all", "--since", "2100-01-01", "-s", shop) == 0
    assert nba.out.startswith("0 decisions:")


def test_neither_the_store_nor_the_log_is_written(nba: Nba, shop: Path) -> None:
    decided(nba, shop)
    store = shop.parent / "data" / "nba.db"
    store.unlink()
    assert nba("replay", "--all", "-s", shop) == 0
    assert not store.exists()


def test_the_catalog_that_decided_is_found_in_the_store(nba: Nba, shop: Path) -> None:
    (decision,) = decided(nba, shop)
    catalog = shop.parent / "catalog" / "shop.toml"
    catalog.write_text(catalog.read_text().replace("value = 2.0", "value = 3.0"))
    decided(nba, shop)
    assert nba("replay", decision, "-s", shop) == 0
    assert nba("replay", "--all", "-s", shop) == 0
    assert "2 identical, 0 differ" in nba.out


def test_a_store_that_cannot_be_read_is_told(nba: Nba, shop: Path) -> None:
    decided(nba, shop)
    (shop.parent / "data" / "nba.db").rename(shop.parent / "data" / "old.db")
    apsw.Connection(str(shop.parent / "data" / "nba.db")).execute("CREATE TABLE other(a)")
    assert nba("replay", "--all", "-s", shop) == 0
    assert "the catalogs of the store cannot be read" in nba.err


def test_a_catalog_that_is_not_kept_is_named_as_the_input_that_is_gone(
    nba: Nba, shop: Path
) -> None:
    (decision,) = decided(nba, shop)
    (shop.parent / "data" / "nba.db").unlink()
    catalog = shop.parent / "catalog" / "shop.toml"
    catalog.write_text(catalog.read_text().replace("value = 2.0", "value = 3.0"))
    assert nba("replay", decision, "-s", shop) == 1
    assert f"{decision}: cannot be replayed" in nba.out
    assert "the decision was made with catalog" in nba.out
    assert nba("replay", "--all", "-s", shop) == 1
    assert "1: the decision was made with catalog" in nba.err
    assert "0 identical, 0 differ, 1 cannot be replayed" in nba.out


def test_a_decision_nobody_made_and_a_log_that_is_not_there(nba: Nba, shop: Path) -> None:
    assert nba("replay", "no-such", "-s", shop) == 1
    assert "there is no decision log" in nba.err
    decided(nba, shop)
    assert nba("replay", "no-such", "-s", shop) == 1
    assert "no decision 'no-such' is on record" in nba.err


def test_wrong_usage_is_told(nba: Nba, shop: Path) -> None:
    assert nba("replay", "-s", shop) == 2
    assert nba("replay", "some", "--all", "-s", shop) == 2
    assert nba("replay", "some", "--limit", 3, "-s", shop) == 2
    decided(nba, shop)
    assert nba("replay", "--all", "--since", "yesterday", "-s", shop) == 2
    assert "is no time" in nba.err
