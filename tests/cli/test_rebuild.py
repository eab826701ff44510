"""`nba rebuild` on a shop whose catalog was changed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nba_engine.app import open_app
from nba_engine.domain import Interaction, LinkRequest

if TYPE_CHECKING:
    from tests.cli.conftest import Nba

BEFORE = '[aggregates.purchases]\nkind = "count"\ntypes = ["purchase"]'
AFTER = (
    '[aggregates.purchases]\nkind = "last"\ntypes = ["purchase"]\n'
    '[aggregates.spent]\nkind = "sum"\ntypes = ["purchase"]\nproperty = "price"\n'
    '[aggregates.pills]\nkind = "set"\ntypes = ["purchase"]\nby = "product"\nsensitive = true'
)


@pytest.fixture
def busy(shop: Path, nba: Nba) -> Path:
    """A shop in which things happened, and whose catalog then got other aggregates."""
    with open_app(shop, publish=True) as app:
        app.engine.record(
            [
                Interaction(
                    interaction_id=f"i{number}",
                    identity=f"crm:{number % 3}",
                    type="purchase",
                    time=1_000.0 + number,
                    properties={"price": 0.25, "product": "aspirin"},
                )
                for number in range(30)
            ]
        )
        app.engine.link_identities(LinkRequest(identities=("crm:0", "crm:1")))
    change(shop, BEFORE, AFTER)
    return shop


def change(shop: Path, before: str, after: str) -> None:
    file = shop.parent / "catalog" / "shop.toml"
    text = file.read_text()
    assert before in text
    file.write_text(text.replace(before, after))


def test_nothing_differs_where_nothing_was_changed(busy: Path, nba: Nba) -> None:
    change(busy, AFTER, BEFORE)
    assert nba("rebuild", "--check", "-s", busy) == 0
    assert nba.out == "2 customers: 0 differ, 2 as they should be\n"


def test_a_catalog_that_is_not_in_force_is_no_measure(busy: Path, nba: Nba) -> None:
    assert nba("rebuild", "-s", busy) == 1
    assert "publish it first: nba catalog publish" in nba.err


def test_what_happened_before_counts_after_a_rebuild(busy: Path, nba: Nba) -> None:
    assert nba("catalog", "publish", "-s", busy) == 0
    assert nba("rebuild", "--check", "-s", busy) == 1
    head, *differences = nba.out.splitlines()
    assert head.startswith("customer ")
    assert differences[:3] == [
        "  pills: differs",
        "  purchases: 10 should be 1029.0",
        "  spent: 0.0 should be 2.5",
    ]
    assert "aspirin" not in nba.out
    assert differences[-4:] == [
        "2 customers: 2 differ, 0 as they should be",
        "  pills: 2",
        "  purchases: 2",
        "  spent: 2",
    ]
    assert nba("rebuild", "-s", busy) == 0
    assert nba.out.splitlines()[0] == "2 customers: 2 rebuilt, 0 as they should be"
    assert nba("rebuild", "--check", "-s", busy) == 0
    with open_app(busy) as app:
        assert app.engine.profile("crm:0").aggregates["spent"] == 5.0
        assert app.engine.profile("crm:1") == app.engine.profile("crm:0")


def test_one_customer_alone_is_rebuilt(busy: Path, nba: Nba) -> None:
    assert nba("catalog", "publish", "-s", busy) == 0
    assert nba("rebuild", "--customer", "crm:2", "-s", busy) == 0
    assert nba.out.splitlines()[0] == "1 customer: 1 rebuilt, 0 as they should be"
    assert nba("rebuild", "--check", "-s", busy) == 1
    assert "2 customers: 1 differ, 1 as they should be" in nba.out
    assert nba("rebuild", "--customer", "crm:9", "-s", busy) == 1
    assert "no customer is known by this identity" in nba.err


def test_what_the_catalog_no_longer_declares_goes(busy: Path, nba: Nba) -> None:
    change(busy, AFTER, "")
    assert nba("catalog", "publish", "-s", busy) == 0
    assert nba("rebuild", "-s", busy) == 0
    assert "  purchases, which the catalog does not declare: 2" in nba.out
    with open_app(busy) as app:
        assert app.engine.profile("crm:0").aggregates == {}


def test_what_may_have_counted_forgotten_interactions_is_named(busy: Path, nba: Nba) -> None:
    assert nba("catalog", "publish", "-s", busy) == 0
    with open_app(busy) as app:
        app.engine.store.forget_interactions(1_015.0)
    assert nba("rebuild", "-s", busy) == 0, nba.err
    assert "held" not in nba.err
    with open_app(busy) as app:  # what is new starts with what is kept
        assert app.engine.profile("crm:0").aggregates["spent"] == 2.5
        assert app.engine.profile("crm:0").aggregates["purchases"] == 1_028.0
        app.engine.store.forget_interactions(1_020.0)
    assert nba("rebuild", "-s", busy) == 0
    assert "old interactions were deleted: pills, spent may have counted them" in nba.err
    with open_app(busy) as app:
        assert app.engine.profile("crm:0").aggregates["spent"] == 2.5
    assert nba("rebuild", "--check", "-s", busy) == 0
    assert nba("rebuild", "-s", busy, "--from-what-is-kept") == 0
    with open_app(busy) as app:
        assert app.engine.profile("crm:0").aggregates["spent"] == 1.5
