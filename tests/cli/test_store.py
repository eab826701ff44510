from __future__ import annotations

import stat
from pathlib import Path
from typing import TYPE_CHECKING

import apsw
import pytest

from nba_engine.app import open_app
from nba_engine.domain import ProfileUpdate

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
