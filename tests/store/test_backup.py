"""Backup of a store in use, and restore: whole or not at all, and what was there is kept."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import apsw
import pytest

from nba_engine.domain import (
    AggregateSpec,
    Claim,
    Hold,
    Interaction,
    ProfileUpdate,
    ReservationRequest,
)
from nba_engine.domain.algebra import fold_for
from nba_engine.engine import table_of
from nba_engine.errors import FailedPrecondition, NotFound
from nba_engine.store import (
    Mover,
    SqliteStore,
    back_up,
    check_log,
    check_store,
    open_log,
    open_log_reader,
    open_store,
    restore,
)
from tests.store.test_log import record

FOLD = fold_for({"buys": AggregateSpec(name="buys", kind="count", types=("purchase",))})
NOW = 1_700_000_000.0
DAY = 86_400.0


def reserve(store: SqliteStore, number: int, *, customer: str = "", ceiling: int = 10) -> bool:
    """One contact of the budget; with a customer, of its own account, too."""
    accounts = ["budget|all", *([f"cap|customer={customer}|w1"] if customer else [])]
    request = ReservationRequest(
        reservation_id=f"r{number}",
        decision_id=f"d{number}",
        customer_id=customer or "c",
        holds=tuple(
            Hold(account=name, limit=name.partition("|")[0], amount=1, ceiling=ceiling)
            for name in accounts
        ),
        expires=NOW + DAY,
    )
    return store.reserve([request], now=NOW + number)[0].granted


def event(number: int, identity: str, kind: str = "purchase", about: str = "") -> Interaction:
    return Interaction(
        interaction_id=f"i{number}",
        identity=identity,
        type=kind,
        time=NOW,
        recommendation_id=about,
    )


class Kept:
    """A store and a log, and where their backup goes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "data"
        self.path = self.folder / "nba.db"
        self.log = self.folder / "decisions.db"
        self.out = folder / "backup"

    def open(self) -> SqliteStore:
        return open_store(self.path)

    def back_up(self) -> None:
        back_up(self.path, self.log, self.out, engine="1")

    def restore(self, *, limits_of_backup: bool = False) -> bool:
        done = restore(self.out, self.path, self.log, limits_of_backup=limits_of_backup)
        return done.carried

    def spent(self) -> dict[str, tuple[int, int]]:
        store = self.open()
        try:
            assert store.recount() == store.usage_report()
            return {one.account: (one.reserved, one.spent) for one in store.usage_report()}
        finally:
            store.close()

    def logged(self) -> list[str]:
        reader = open_log_reader(self.log)
        try:
            return [one.decision_id for one in reader.records()]
        finally:
            reader.close()


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    """One customer, one confirmed contact, three decisions of which one was moved to Parquet."""
    kept = Kept(tmp_path)
    store = kept.open()
    store.update([ProfileUpdate(identity="crm:1", attributes={"age": 41})])
    reserve(store, 1)
    store.record([event(1, "crm:1"), event(2, "crm:1", "impression", "r1")], FOLD, now=NOW)
    store.close()
    log = open_log(kept.log)
    for number in range(3):
        log.append(record(number, time=NOW + number * DAY))
    log.close()
    Mover(kept.log, table_of).move(NOW + DAY)
    return kept


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


def test_a_backup_replaces_nothing(backed_up: Kept) -> None:
    with pytest.raises(FailedPrecondition, match="there already"):
        backed_up.back_up()


def test_a_damaged_store_is_told_of_when_it_is_backed_up(kept: Kept) -> None:
    connection = apsw.Connection(str(kept.path))
    page = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'customers'").get
    size = connection.pragma("page_size")
    connection.close()
    with kept.path.open("r+b") as file:
        file.seek((page - 1) * size + 3)
        file.write(b"\xff\xff")
    with pytest.raises(FailedPrecondition, match="damaged"):
        kept.back_up()
    assert not kept.out.exists()
    assert check_store(kept.path) != []


def test_the_check_counts_again_and_looks_where_things_lead(kept: Kept) -> None:
    connection = apsw.Connection(str(kept.path))
    connection.execute("UPDATE accounts SET spent = 7")
    connection.execute("DELETE FROM identities")
    connection.execute("UPDATE interactions SET customer = 77 WHERE interaction_id = 'i2'")
    connection.close()
    for file in kept.folder.rglob("*.parquet"):
        file.unlink()
    found = "\n".join(check_store(kept.path) + check_log(kept.log))
    assert (
        "account budget|all: 0 reserved and 7 spent, but its reservations come to 0 and 1" in found
    )
    assert "no identity leads to it" in found
    assert "interactions, row 2: what it names in customers is not there" in found
    assert "is gone, with 1 decisions" in found


def test_a_backup_is_of_one_moment_while_others_write(kept: Kept) -> None:
    store = kept.open()
    log = open_log(kept.log)
    done = threading.Event()
    acknowledged: list[int] = []

    def write() -> None:
        for number in range(10, 100_000):
            if done.is_set():
                return
            assert reserve(store, number, ceiling=10**6)
            log.append(record(number, decision_id=f"d{number}", time=NOW))
            acknowledged.append(number)

    writer = threading.Thread(target=write)
    writer.start()
    while len(acknowledged) < 20:
        done.wait(0.01)
    before = len(acknowledged)
    kept.back_up()
    after = len(acknowledged)
    done.set()
    writer.join()
    store.close()
    log.close()
    assert after > before + 20  # it did not stand in the way
    restore(kept.out, kept.path, kept.log, limits_of_backup=True)
    assert check_store(kept.path) == []
    count = kept.spent()["budget|all"][0]
    assert before <= count <= after + 1
    logged = {*kept.logged()}
    assert {f"d{number}" for number in range(10, 10 + count)} <= logged  # each has its decision


KILLED = """
import sys
from pathlib import Path
from nba_engine.store import back_up
store, log, out = map(Path, sys.argv[1:])
back_up(store, log, out, engine="1", progress=lambda done, total: print("copied", flush=True) or sys.stdin.read())
"""


@pytest.fixture
def killed(kept: Kept) -> Kept:
    """A backup that was killed in the middle."""
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, str(kept.path), str(kept.log), str(kept.out)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "copied\n"
        os.kill(process.pid, signal.SIGKILL)
    return kept


def test_a_backup_that_was_killed_is_not_there_and_leaves_nothing_in_the_way(killed: Kept) -> None:
    assert not killed.out.exists()
    killed.back_up()
    assert not list(killed.out.parent.glob(".*"))
    killed.restore()
    assert killed.logged() == ["d0", "d1", "d2"]
