"""`nba catalog` on a shop that nobody serves, and beside an engine that follows."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from nba_engine.app import open_app
from nba_engine.catalog import version_of
from nba_engine.domain import CatalogFiles, Publication
from nba_engine.store import open_store
from tests.cli.conftest import CATALOG, Nba

CHEAP = CATALOG.replace("value = 2.0", "value = 0.5")
FIRST, SECOND = (version_of({"shop.toml": text}) for text in (CATALOG, CHEAP))


def edit(shop: Path, text: str) -> None:
    (shop.parent / "catalog" / "shop.toml").write_text(text)


def test_what_is_published_is_listed_shown_and_rolled_back(nba: Nba, shop: Path) -> None:
    assert nba("catalog", "versions", "-s", shop) == 0
    assert nba.out == "no catalog was published yet\n"
    assert nba("catalog", "publish", "-s", shop, "--author", "ada", "-m", "go") == 0
    assert nba.out == f"catalog {FIRST} is in force\n"
    assert nba("catalog", "publish", "-s", shop) == 0
    assert nba.out == f"catalog {FIRST} was published last already: nothing changed\n"
    edit(shop, CHEAP)
    assert nba("catalog", "publish", "-s", shop, "--expect", FIRST[:6]) == 0

    assert nba("catalog", "versions", "-s", shop) == 0
    rows = [line.split() for line in nba.out.splitlines()[1:]]
    assert [row[0] for row in rows] == [SECOND, FIRST]
    assert [row[1] for row in rows] == ["in", "past"]
    assert rows[1][-3:] == ["folder", "ada", "go"]

    assert nba("catalog", "rollback", "-s", shop) == 0
    assert nba.out == f"catalog {FIRST} is in force\n"
    assert nba("catalog", "rollback", SECOND[:5], "-s", shop) == 0
    assert nba("catalog", "versions", "-s", shop, "--limit", "1") == 0
    assert "3 earlier ones: --limit 4" in nba.out


def test_a_catalog_that_was_deleted_stays_in_the_list_and_is_said_to_be_gone(
    nba: Nba, shop: Path
) -> None:
    for text in (CATALOG, CHEAP):
        edit(shop, text)
        nba("catalog", "publish", "-s", shop)
    store = open_store(shop.parent / "data" / "nba.db")
    assert store.forget_catalogs([FIRST, SECOND], now=time.time()) == 1
    store.close()
    assert nba("catalog", "versions", "-s", shop) == 0
    in_force, past = nba.out.splitlines()[1:]
    assert in_force.split()[:3] == [SECOND, "in", "force"]
    assert past.split()[:3] == [FIRST, "past,", "deleted"]
    assert nba("catalog", "rollback", "-s", shop) == 1
    assert f"no catalog {FIRST} is stored" in nba.err


def test_an_engine_that_is_open_follows(nba: Nba, shop: Path) -> None:
    with open_app(shop, environ={}, publish=True) as app:
        edit(shop, CHEAP)
        assert nba("catalog", "publish", "-s", shop) == 0
        app.engine.catalogs.step()  # by now it is due, whether or not its thread has looked
        assert app.engine.catalog.version == SECOND


def test_a_broken_folder_changes_nothing_and_every_mistake_is_named(nba: Nba, shop: Path) -> None:
    nba("catalog", "publish", "-s", shop)
    broken = shop.parent / "broken"
    broken.mkdir()
    (broken / "shop.toml").write_text(CATALOG.replace('"wine"', '"vine"').replace("9.0", "true"))
    assert nba("catalog", "publish", broken, "-s", shop) == 78
    assert "broken/shop.toml" in nba.err
    assert "2 mistakes found" in nba.err
    nba("catalog", "versions", "-s", shop)
    assert len(nba.out.splitlines()) == 2


def test_another_folder_outlives_the_next_start(nba: Nba, shop: Path) -> None:
    other = shop.parent / "other"
    other.mkdir()
    (other / "shop.toml").write_text(CHEAP)
    assert nba("catalog", "publish", other, "-s", shop) == 0
    with open_app(shop, environ={}, publish=True) as app:
        assert app.engine.catalog.version == SECOND


def test_a_catalog_that_no_longer_loads_can_be_rolled_back(nba: Nba, shop: Path) -> None:
    nba("catalog", "publish", "-s", shop)
    store = open_store(shop.parent / "data" / "nba.db")
    store.publish_catalog(
        CatalogFiles(version="bad", files={"shop.toml": "[actions"}),
        Publication(version="bad", origin="files", time=1.0, switch_time=1.0),
    )
    store.close()
    assert nba("decide", "crm:1", "-s", shop) == 78
    assert "nba catalog rollback" in nba.err
    assert nba("catalog", "rollback", "-s", shop) == 0
    assert nba("decide", "crm:1", "-s", shop) == 0


def test_a_stored_catalog_is_written_to_a_folder(nba: Nba, shop: Path, tmp_path: Path) -> None:
    nba("catalog", "publish", "-s", shop)
    out = tmp_path / "out"
    assert nba("catalog", "show", "-s", shop, "--out", out) == 0
    assert nba.out.splitlines()[0] == f"catalog {FIRST}"
    assert (out / "shop.toml").read_text() == CATALOG
    assert nba("catalog", "show", "-s", shop, "--out", out) == 2
    assert "is not empty" in nba.err


def test_a_file_is_never_written_outside_the_folder(nba: Nba, shop: Path, tmp_path: Path) -> None:
    store = open_store(shop.parent / "data" / "nba.db")
    store.publish_catalog(
        CatalogFiles(version="bad", files={"../away.toml": "text"}),
        Publication(version="bad", time=1.0, switch_time=1.0),
    )
    store.close()
    assert nba("catalog", "show", "-s", shop, "--out", tmp_path / "out") == 1
    assert not (tmp_path / "away.toml").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["show"], "no catalog was published yet"),
        (["show", "abc"], "no published catalog begins with 'abc'"),
        (["rollback"], "there is no catalog before"),
        (["publish", "--expect", "abc"], "no published catalog begins with 'abc'"),
    ],
)
def test_what_is_not_there_is_told(
    nba: Nba, shop: Path, arguments: list[str], message: str
) -> None:
    assert nba("catalog", *arguments, "-s", shop) == 1
    assert message in nba.err
