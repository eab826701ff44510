"""Opening: paths, foreign and damaged files, versions, the simulated flag."""

from __future__ import annotations

import time
from pathlib import Path

import apsw
import pytest

from nba_engine.domain import Interaction, ProfileUpdate
from nba_engine.errors import FailedPrecondition, InvalidRequest, NbaError, NotFound, Unavailable
from nba_engine.store import open_log, open_store
from nba_engine.store.faults import translated
from nba_engine.store.files import path_of
from nba_engine.testing.customers_suite import FOLD


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:data/nba.db", "data/nba.db"),
        ("sqlite:///var/nba.db", "/var/nba.db"),
        ("sqlite:/var/nba.db", "/var/nba.db"),
        ("nba.db", "nba.db"),
        (Path("a/b.db"), "a/b.db"),
    ],
)
def test_a_url_or_path_names_a_file(url: str | Path, path: str) -> None:
    assert path_of(url) == Path(path)


@pytest.mark.parametrize("url", ["sqlite:", "", "sqlite::memory:", "sqlite://host/x", "//host/x"])
def test_what_names_no_file_is_refused(url: str) -> None:
    with pytest.raises(InvalidRequest, match="names no file"):
        path_of(url)


def test_a_new_store_makes_its_folders(tmp_path: Path) -> None:
    store = open_store(f"sqlite:{tmp_path}/deep/er/nba.db")
    assert store.customer("crm:1") is None
    store.close()


def test_without_create_a_missing_file_is_not_found_and_not_made(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="does not exist"):
        open_store(tmp_path / "no" / "nba.db", create=False)
    assert list(tmp_path.iterdir()) == []


def test_the_simulated_flag_is_fixed_at_creation(tmp_path: Path) -> None:
    open_store(tmp_path / "nba.db", simulated=True).close()
    store = open_store(tmp_path / "nba.db")
    assert store.simulated
    store.close()
    with pytest.raises(FailedPrecondition, match="created as a simulated store"):
        open_store(tmp_path / "nba.db", simulated=False)


def test_a_new_store_is_real_unless_asked_otherwise(tmp_path: Path) -> None:
    store = open_store(tmp_path / "nba.db")
    assert not store.simulated
    store.close()
    with pytest.raises(FailedPrecondition, match="created as a real store"):
        open_store(tmp_path / "nba.db", simulated=True)


def test_a_text_file_is_not_taken_for_a_store(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("These are notes, and no database at all. " * 100)
    before = path.read_bytes()
    with pytest.raises(FailedPrecondition, match="not a SQLite database"):
        open_store(path)
    assert path.read_bytes() == before


def test_a_foreign_database_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    connection = apsw.Connection(str(path))
    connection.execute("CREATE TABLE theirs(x)")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(FailedPrecondition, match="not a store of nba-engine"):
        open_store(path)
    with pytest.raises(FailedPrecondition, match="not a decision log of nba-engine"):
        open_log(path)
    assert path.read_bytes() == before


def test_a_store_is_no_log_and_a_log_no_store(tmp_path: Path) -> None:
    open_store(tmp_path / "nba.db").close()
    open_log(tmp_path / "log.db").close()
    with pytest.raises(FailedPrecondition, match="not a decision log"):
        open_log(tmp_path / "nba.db")
    with pytest.raises(FailedPrecondition, match="not a store"):
        open_store(tmp_path / "log.db")


def test_files_have_the_pages_of_their_kind(tmp_path: Path) -> None:
    open_store(tmp_path / "nba.db").close()
    open_log(tmp_path / "log.db").close()
    for name, size in (("nba.db", 4096), ("log.db", 16_384)):
        connection = apsw.Connection(str(tmp_path / name))
        assert connection.pragma("page_size") == size
        connection.close()


def test_a_newer_schema_is_refused_by_its_version(tmp_path: Path) -> None:
    open_store(tmp_path / "nba.db").close()
    connection = apsw.Connection(str(tmp_path / "nba.db"))
    connection.pragma("user_version", 7)
    connection.close()
    with pytest.raises(FailedPrecondition, match=r"has version 7 .* reads version 4"):
        open_store(tmp_path / "nba.db")


def test_a_store_of_the_version_before_is_brought_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / "nba.db"
    store = open_store(path)
    at = float(int(time.time()))
    store.record([_bought(1, at)], FOLD, now=at)
    store.close()
    connection = apsw.Connection(str(path))
    connection.execute("ALTER TABLE interactions DROP COLUMN recorded")
    connection.pragma("user_version", 3)
    connection.close()
    store = open_store(path)
    store.record([_bought(2, at)], FOLD, now=at)
    (customer,) = store.customer_ids().customer_ids
    page = store.history(customer)
    store.close()
    assert page is not None
    assert page.recorded == (None, at)
    open_store(path).close()


def _bought(number: int, at: float) -> Interaction:
    return Interaction(interaction_id=f"p{number}", identity="crm:1", type="purchase", time=at)


def test_a_damaged_file_is_called_damaged(tmp_path: Path) -> None:
    path = tmp_path / "nba.db"
    store = open_store(path)
    store.update([ProfileUpdate(identity=f"crm:{n}", attributes={"n": n}) for n in range(500)])
    store.close()
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xa5" * (len(data) - 4096)
    path.write_bytes(data)
    with pytest.raises(FailedPrecondition, match="is damaged: restore"):
        open_store(path)


def test_a_folder_in_place_of_the_file_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="cannot be read or written") as caught:
        open_store(tmp_path)
    assert "unable to open database file; check that its folder exists" in caught.value.message


def test_a_file_in_place_of_a_folder_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("x")
    with pytest.raises(NbaError, match="cannot be read or written") as caught:
        open_store(tmp_path / "data" / "nba.db")
    folder = tmp_path / "data"
    told = f"file exists; a file stands where a folder should be ({folder}): move it away"
    assert caught.value.message.endswith(told)
    assert "Error" not in caught.value.message


def test_a_locked_file_names_the_remedy(tmp_path: Path) -> None:
    told = translated(apsw.BusyError("database is locked"), tmp_path / "nba.db")
    assert str(told).endswith(
        "now: database is locked; another process is at work on it: try again, or end that process"
    )
    assert "check the disk" in str(translated(apsw.IOError("disk I/O error"), tmp_path))
    missing = FileNotFoundError(2, "No such file or directory")
    assert "now: no such file or directory; check" in str(translated(missing, tmp_path))
    assert "an unknown fault" in str(translated(OSError(), tmp_path))


def test_an_old_sqlite_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apsw, "sqlite_lib_version", lambda: "3.51.2")
    with pytest.raises(FailedPrecondition, match=r"SQLite 3\.51\.2 can corrupt"):
        open_store(tmp_path / "nba.db")
    assert list(tmp_path.iterdir()) == []
