from __future__ import annotations

import stat
from pathlib import Path
from typing import TYPE_CHECKING

import apsw
import pytest

from nba_engine.app import open_app
from nba_engine.domain import DecisionRequest, PlacementRequest, ProfileUpdate

if TYPE_CHECKING:
    from tests.cli.conftest import Nba


def set_age(shop: Path, age: int) -> None:
    with open_app(shop) as app:
        app.engine.update_profile(ProfileUpdate(identity="crm:1", attributes={"age": age}))


def age(shop: Path) -> object:
    with open_app(shop) as app:
        return app.engine.profile("crm:1").attributes["age"]


@pytest.fixture
def backup(shop: Path, nba: Nba) -> Path:
    """A backup of a shop, whose customer was 41 then and is 42 now."""
    out = shop.parent / "backup"
    set_age(shop, 41)
    assert nba("store", "backup", "--out", out, "-s", shop) == 0, nba.err
    set_age(shop, 42)
    return out


def test_a_backup_is_restored(shop: Path, nba: Nba, backup: Path) -> None:
    assert nba("store", "restore", backup, "-s", shop) == 0, nba.err
    assert "limits: what was used since the backup counts" in nba.out
    assert f"what was there is now {shop.parent}/data/nba.db.before-" in nba.out
    assert age(shop) == 41


def test_a_restore_says_when_limits_go_back(shop: Path, nba: Nba, backup: Path) -> None:
    assert nba("store", "restore", backup, "-s", shop, "--limits-of-backup", "--keep-log") == 0
    assert "what was used since the backup is not counted" in nba.err
    assert "decisions.db.before-" not in nba.out


def test_a_backup_is_for_its_owner_only(nba: Nba, backup: Path) -> None:
    assert {path.name for path in backup.iterdir()} == {
        "manifest.json",
        "store.db",
        "decisions.db",
    }
    assert stat.S_IMODE(backup.stat().st_mode) == 0o700
    assert stat.S_IMODE((backup / "store.db").stat().st_mode) == 0o600


def test_a_backup_replaces_nothing(shop: Path, nba: Nba, backup: Path) -> None:
    assert nba("store", "backup", "--out", backup, "-s", shop) == 1
    assert "is there already: a backup replaces nothing" in nba.err


def test_a_folder_that_is_no_backup_is_refused(shop: Path, nba: Nba) -> None:
    assert nba("store", "restore", shop.parent / "catalog", "-s", shop) == 1
    assert "is no backup: it has no manifest.json" in nba.err


def test_a_store_of_another_kind_is_left_to_its_own_tools(shop: Path, nba: Nba) -> None:
    shop.write_text(shop.read_text() + '[store]\nurl = "postgres://host/db"\n')
    assert nba("store", "check", "-s", shop) == 1
    assert "this is for the embedded store" in nba.err


def test_a_check_tells_what_is_wrong(shop: Path, nba: Nba, backup: Path) -> None:
    assert nba("store", "check", "-s", shop) == 0
    assert nba.out == "sound\n"
    connection = apsw.Connection(str(shop.parent / "data" / "nba.db"))
    connection.execute("DELETE FROM identities")
    connection.close()
    assert nba("store", "check", "-s", shop) == 1
    assert "no identity leads to it" in nba.out


def test_who_was_erased_since_the_backup_goes_from_the_restored_log_as_well(
    shop: Path, nba: Nba
) -> None:
    out = shop.parent / "backup"
    set_age(shop, 41)
    with open_app(shop) as app:
        request = DecisionRequest(identity="crm:1", placements=(PlacementRequest("home"),))
        decided = app.engine.decide(request).decision_id
    nba("store", "backup", "--out", out, "-s", shop)
    assert nba("identity", "erase", "crm:1", "--yes", "-s", shop) == 0, nba.err
    assert nba("store", "restore", out, "-s", shop) == 0, nba.err
    assert "1 customer erased since the backup: erased again" in nba.out
    with open_app(shop) as app:
        assert app.engine.store.customer("crm:1") is None
        while not app.eraser.work():  # its own thread may be at it
            pass
        assert app.engine.log.read(decided) is None
        assert [one.pending for one in app.engine.store.erasures()] == [()]
