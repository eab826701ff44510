"""A backup takes the place of a store: what was there is kept, and no limit is exceeded."""

from __future__ import annotations

import hashlib
import json
import time
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from nba_engine.domain import Claim, Hold, ProfileUpdate, ReservationRequest, id_time
from nba_engine.errors import FailedPrecondition, NotFound
from nba_engine.store import check_log, check_store, open_log, open_store, restore
from tests.store.kept import DAY, FOLD, NOW, Kept, event, filled, reserve
from tests.store.log.test_log import record


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    return filled(tmp_path)


@pytest.fixture
def backed_up(kept: Kept) -> Kept:
    kept.back_up()
    return kept


def test_what_is_restored_is_what_was_backed_up(backed_up: Kept) -> None:
    store = backed_up.open()
    store.update([ProfileUpdate(identity="crm:1", attributes={"age": 42})])
    store.record([event(3, "crm:late")], FOLD, now=NOW)
    store.close()
    backed_up.restore()
    store = backed_up.open()
    found = store.customer("crm:1")
    assert found is not None
    assert found[0].attributes == {"age": 41}
    assert store.customer("crm:late") is None
    held = store.holdings("crm:1")
    assert held is not None
    assert [one.interaction_id for one in held.interactions] == ["i1", "i2"]
    store.close()
    assert backed_up.logged() == ["d0", "d1", "d2"]
    assert check_store(backed_up.path) == check_log(backed_up.log) == []


def test_what_was_there_is_moved_aside_and_can_be_opened(backed_up: Kept) -> None:
    store = backed_up.open()
    store.update([ProfileUpdate(identity="crm:late")])
    store.close()
    done = restore(backed_up.out, backed_up.path, backed_up.log)
    assert [path.name.partition(".before-")[0] for path in done.aside] == [
        "nba.db",
        "decisions.db",
        "decisions",
    ]
    before = open_store(done.aside[0], create=False)
    assert before.customer("crm:late") is not None
    before.close()
    assert len(list(done.aside[2].rglob("*.parquet"))) == 1
    again = restore(backed_up.out, backed_up.path, backed_up.log)
    assert not {*again.aside} & {*done.aside}


def test_what_was_spent_since_the_backup_counts(backed_up: Kept) -> None:
    store = backed_up.open()
    reserve(store, 2)
    reserve(store, 3)
    store.record([event(4, "crm:1", "impression", "r2")], FOLD, now=NOW)
    claim = Claim(
        request_id="again", fingerprint=b"f", decision_id="d9", until=NOW, expires=NOW + 9 * DAY
    )
    store.remember(claim, b"the answer", now=NOW)
    store.close()
    assert backed_up.restore()
    assert backed_up.spent() == {"budget|all": (1, 2)}
    store = backed_up.open()
    assert [reserve(store, n, ceiling=4) for n in (4, 5)] == [True, False]
    repeated = store.record([event(4, "crm:1", "impression", "r2")], FOLD, now=NOW)
    assert repeated[0].reservation == "unchanged"  # it comes again, and is not charged again
    known = store.request("again", now=NOW)
    assert known is not None
    assert known.answer == b"the answer"
    store.close()


def test_limits_go_back_only_when_that_is_asked_for(backed_up: Kept) -> None:
    store = backed_up.open()
    reserve(store, 2)
    store.close()
    assert not backed_up.restore(limits_of_backup=True)
    assert backed_up.spent() == {"budget|all": (0, 1)}
    with pytest.raises(FailedPrecondition, match="another store"):  # its past is another one now
        backed_up.restore()


def test_what_a_customer_used_who_became_known_since_is_found_when_it_comes_back(
    backed_up: Kept,
) -> None:
    store = backed_up.open()
    (state,) = store.update([ProfileUpdate(identity="crm:new")])
    reserve(store, 2, customer=state.customer_id)
    store.close()
    backed_up.restore()
    assert "cap|customer=crm:new|w1" in backed_up.spent()
    store = backed_up.open()
    (state,) = store.update([ProfileUpdate(identity="crm:new")])
    store.close()
    assert backed_up.spent()[f"cap|customer={state.customer_id}|w1"] == (1, 0)


@pytest.mark.parametrize("lost", [False, True])
def test_who_was_erased_since_the_backup_is_erased_again(backed_up: Kept, lost: bool) -> None:
    store = backed_up.open()
    erasure = store.erase("crm:1", now=NOW)
    store.scrub()
    store.close()
    if lost:  # the list beside it tells
        backed_up.path.unlink()
    done = restore(backed_up.out, backed_up.path, backed_up.log)
    assert done.erased == 1
    store = backed_up.open()
    assert store.customer("crm:1") is None
    (known,) = store.erased_since()
    assert known.erasure_id == erasure.erasure_id
    assert "decision_log" in known.pending  # where it has come back, too
    store.close()
    assert check_store(backed_up.path) == []
    assert restore(backed_up.out, backed_up.path, backed_up.log, limits_of_backup=True).erased == 1


def test_what_whoever_was_erased_has_used_since_counts(backed_up: Kept) -> None:
    store = backed_up.open()
    store.erase("crm:1", now=NOW)
    (state,) = store.update([ProfileUpdate(identity="crm:1")])  # is a customer again
    request = ReservationRequest(
        reservation_id="r2",
        decision_id=id_time(time.time() + 60.0),
        customer_id=state.customer_id,
        holds=(
            Hold(account=f"cap|customer={state.customer_id}|w1", limit="cap", amount=1, ceiling=1),
        ),
        expires=time.time() + DAY,
    )
    assert store.reserve([request], now=time.time())[0].granted
    store.close()
    done = restore(backed_up.out, backed_up.path, backed_up.log)
    assert (done.carried, done.erased) == (True, 1)
    store = backed_up.open()
    assert store.customer("crm:1") is None
    (state,) = store.update([ProfileUpdate(identity="crm:1")])
    store.close()
    assert backed_up.spent()[f"cap|customer={state.customer_id}|w1"] == (1, 0)


def test_the_log_can_stay_as_it_is(backed_up: Kept) -> None:
    log = open_log(backed_up.log)
    log.append(record(7, time=NOW + 7 * DAY))
    log.close()
    restore(backed_up.out, backed_up.path, None)
    assert backed_up.logged() == ["d0", "d1", "d2", "d7"]
    backed_up.restore()
    assert backed_up.logged() == ["d0", "d1", "d2"]


def test_a_lost_store_is_restored_without_what_came_since(backed_up: Kept) -> None:
    for file in backed_up.folder.rglob("*"):
        if file.is_file():
            file.unlink()
    assert not backed_up.restore()
    assert backed_up.spent() == {"budget|all": (0, 1)}
    assert backed_up.logged() == ["d0", "d1", "d2"]


def test_an_open_store_is_not_replaced(backed_up: Kept) -> None:
    for opened in (backed_up.open(), open_log(backed_up.log)):
        with pytest.raises(FailedPrecondition, match="open in another process: stop the server"):
            backed_up.restore()
        opened.close()
    assert backed_up.restore()


def test_a_store_of_which_nothing_can_be_carried_over_stays(backed_up: Kept) -> None:
    backed_up.path.write_bytes(b"SQLite format 3\x00" + b"rubbish" * 999)
    before = backed_up.path.read_bytes()
    with pytest.raises(FailedPrecondition, match="limits-of-backup"):
        backed_up.restore()
    assert backed_up.path.read_bytes() == before
    backed_up.restore(limits_of_backup=True)
    assert check_store(backed_up.path) == []


def test_a_store_that_is_older_than_the_backup_is_not_where_limits_come_from(kept: Kept) -> None:
    older = kept.path.read_bytes()
    store = kept.open()
    reserve(store, 99)
    store.close()
    kept.back_up()
    kept.path.write_bytes(older)
    with pytest.raises(FailedPrecondition, match="older than the backup"):
        kept.restore()


_UNDO = {
    "store.db": "ALTER TABLE interactions DROP COLUMN recorded",
    "decisions.db": """
    DROP TABLE names;
    CREATE INDEX decisions_of_customer ON decisions(customer_id);
    CREATE INDEX decisions_of_identity ON decisions(identity);
    """,
}


def as_by_the_release_before(out: Path) -> None:
    """Give the files of a backup the formats of the release before, and the manifest with them."""
    for file, undo in _UNDO.items():
        with closing(apsw.Connection(str(out / file))) as connection:
            connection.execute(undo)
            connection.pragma("user_version", connection.pragma("user_version") - 1)
    manifest = json.loads((out / "manifest.json").read_text())
    manifest["store_version"] -= 1
    manifest["log_version"] -= 1
    for one in manifest["files"]:
        content = (out / one["file"]).read_bytes()
        one["bytes"], one["sha256"] = len(content), hashlib.sha256(content).hexdigest()
    (out / "manifest.json").write_text(json.dumps(manifest))


def versions(kept: Kept) -> list[int]:
    found = []
    for path in (kept.path, kept.log):
        with closing(apsw.Connection(str(path))) as connection:
            found.append(connection.pragma("user_version"))
    return found


@pytest.mark.parametrize("carry", [True, False])
def test_a_backup_of_the_release_before_is_brought_up_to_date(backed_up: Kept, carry: bool) -> None:
    as_by_the_release_before(backed_up.out)
    wanted = versions(backed_up)
    restore(backed_up.out, backed_up.path, backed_up.log, limits_of_backup=not carry)
    assert versions(backed_up) == wanted
    assert check_store(backed_up.path) == check_log(backed_up.log) == []
    store = backed_up.open()
    reserve(store, 2)
    store.record([event(3, "crm:late")], FOLD, now=NOW)
    held = store.holdings("crm:1")
    store.close()
    assert held is not None
    assert [one.interaction_id for one in held.interactions] == ["i1", "i2"]
    assert backed_up.logged() == ["d0", "d1", "d2"]
    assert not list(backed_up.path.parent.glob(".*"))


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def of_version_9(path: Path) -> None:
    manifest = json.loads(path.read_text())
    path.write_text(json.dumps(manifest | {"store_version": 9}))


def outside(path: Path) -> None:
    path.write_text(path.read_text().replace('"store.db"', '"../store.db"'))


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("store.db", flip, "checksum is another"),
        ("decisions.db", flip, "checksum is another"),
        ("store.db", Path.unlink, "store.db is missing"),
        ("manifest.json", of_version_9, "version 9 of the store"),
        ("manifest.json", outside, "a file outside"),
        ("manifest.json", Path.unlink, "is no backup"),
        ("manifest.json", lambda path: path.write_text("{}"), "cannot be read"),
    ],
)
def test_what_is_no_sound_backup_is_refused_and_nothing_changes(
    backed_up: Kept, file: str, change: object, message: str
) -> None:
    assert callable(change)
    change(backed_up.out / file)
    before = {path: path.read_bytes() for path in backed_up.folder.rglob("*") if path.is_file()}
    with pytest.raises((FailedPrecondition, NotFound), match=message):
        backed_up.restore()
    after = {path: path.read_bytes() for path in backed_up.folder.rglob("*") if path.is_file()}
    assert {path for path in after if path.suffix != ".open"} == {*before} - {
        path for path in before if path.suffix == ".open"
    }
    assert all(after[path] == content for path, content in before.items())
