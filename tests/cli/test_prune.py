from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import apsw
import msgspec
import pytest

from nba_engine.app import open_app
from nba_engine.domain import DecisionRequest, Interaction, PlacementRequest
from nba_engine.store import open_store

if TYPE_CHECKING:
    from tests.cli.conftest import Nba

DAY = 86_400.0


@pytest.fixture
def old_shop(shop: Path) -> Path:
    """A shop with two purchases and two decisions, one of each ten days old."""
    now = time.time()
    with open_app(shop) as app:
        request = DecisionRequest(identity="crm:1", placements=(PlacementRequest("home"),))
        decision = app.engine.decide(request)
        app.engine.log.flush()
        record = app.engine.log.read(decision.decision_id)
        assert record is not None
        for name, moment in (("0", now - 10 * DAY), ("1", now)):
            bought = Interaction(
                interaction_id=name, identity="crm:1", type="purchase", time=moment
            )
            app.engine.record([bought])
            app.engine.log.append(msgspec.structs.replace(record, decision_id=name, time=moment))
    connection = apsw.Connection(str(shop.parent / "data" / "decisions.db"))
    connection.execute("DELETE FROM decisions WHERE decision_id NOT IN ('0', '1')")
    connection.close()
    return shop


def counted(shop: Path) -> tuple[int, object, list[str]]:
    """Interactions, what is counted of them, and the decisions that were put in by hand."""
    with open_app(shop) as app:
        held = app.engine.store.holdings("crm:1")
        assert held is not None
        purchases = app.engine.profile("crm:1").aggregates["purchases"]
        logged = [name for name in ("0", "1") if app.engine.log.read(name) is not None]
        return len(held.interactions), purchases, logged


def test_what_the_settings_do_not_keep_is_deleted(old_shop: Path, nba: Nba) -> None:
    keep = "[retention]\ninteractions_days = 5\ndecisions_days = 5\n"
    old_shop.write_text(old_shop.read_text() + keep)
    assert nba("store", "prune", "-s", old_shop, "--dry-run") == 0, nba.err
    assert "1 interaction before 20" in nba.out
    assert "would be deleted" in nba.out
    assert counted(old_shop) == (2, 2, ["0", "1"])
    assert nba("store", "prune", "-s", old_shop) == 0, nba.err
    assert "1 decision before 20" in nba.out
    assert counted(old_shop) == (1, 2, ["1"])


def test_options_go_before_the_settings(old_shop: Path, nba: Nba) -> None:
    assert nba("store", "prune", "-s", old_shop, "--interactions-days", "20") == 0
    assert "0 interactions before" in nba.out
    assert counted(old_shop)[0] == 2
    assert nba("store", "prune", "-s", old_shop, "--interactions-days", "2") == 0
    assert counted(old_shop) == (1, 2, ["0", "1"])


def test_without_anything_to_delete_it_says_how(old_shop: Path, nba: Nba) -> None:
    assert nba("store", "prune", "-s", old_shop) == 2
    assert "--interactions-days" in nba.err


def test_a_simulated_store_has_a_time_of_its_own(shop: Path, nba: Nba) -> None:
    open_store(shop.parent / "data" / "nba.db", simulated=True).close()
    assert nba("store", "prune", "-s", shop, "--interactions-days", "2") == 1
    assert "simulated" in nba.err


def test_aggregates_are_rebuilt_from_what_is_left_only_when_that_is_wanted(
    old_shop: Path, nba: Nba
) -> None:
    nba("store", "prune", "-s", old_shop, "--interactions-days", "2")
    assert nba("rebuild", "-s", old_shop) == 0
    assert "were deleted" in nba.err
    assert counted(old_shop)[1] == 2
    assert nba("rebuild", "-s", old_shop, "--from-what-is-kept") == 0, nba.err
    assert counted(old_shop)[1] == 1
