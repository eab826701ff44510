"""A disk that is full or takes no writes: every verb that writes says so, reads go on, it heals."""

from __future__ import annotations

import contextlib
import errno
import os
import resource
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw
import msgspec
import pytest

from faults.failing_disk import FailingDisk, State
from nba_engine.domain import (
    CatalogFiles,
    Claim,
    Erased,
    Hold,
    LinkRequest,
    Publication,
    Rebuilt,
    ReservationRequest,
    Store,
)
from nba_engine.errors import Exhausted, Unavailable
from nba_engine.store import Mover, SqliteStore, open_log, open_store
from nba_engine.store.faults import translated
from nba_engine.testing.customers_suite import FOLD, NOW, happened, update
from nba_engine.testing.identities_suite import MERGE
from tests.store.log.test_archive import table_of
from tests.store.log.test_log import record

STATES: tuple[State, ...] = ("full", "read-only")
WORDS = {"full": "the disk is full", "read-only": "is read-only"}

CLAIM = Claim(
    request_id="q", fingerprint=b"", decision_id="d", until=NOW + 60, expires=NOW + 60, follows="d"
)


def request(name: str, *, expires: float = NOW + 60) -> ReservationRequest:
    hold = Hold(account="hot", limit="hot", amount=1, ceiling=100)
    return ReservationRequest(
        reservation_id=name, decision_id=name, customer_id="c", holds=(hold,), expires=expires
    )


def catalog(version: str) -> tuple[CatalogFiles, Publication]:
    files = CatalogFiles(version=version, files={"shop.toml": version})
    return files, Publication(version=version, time=NOW, switch_time=NOW)


WRITES: dict[str, Callable[[SqliteStore], Any]] = {
    "update": lambda store: store.update([update("crm:new")]),
    "record": lambda store: store.record([happened("new")], FOLD, now=NOW),
    "bulk": lambda store: store.bulk(updates=[update("crm:new")], now=NOW),
    "put_progress": lambda store: store.put_progress("file", "7"),
    "link": lambda store: store.link(LinkRequest(identities=("crm:1", "c:1")), MERGE, now=NOW),
    "reserve": lambda store: store.reserve([request("new")], now=NOW),
    "reserve with a claim": lambda store: store.reserve([request("new")], now=NOW, claim=CLAIM),
    "remember": lambda store: store.remember(CLAIM, b"answer", now=NOW),
    "give_up": lambda store: store.give_up(CLAIM, now=NOW),
    "release": lambda store: store.release(["held"], now=NOW),
    "expire": lambda store: store.expire(now=NOW + 30),
    "keep_catalog": lambda store: store.keep_catalog(catalog("b2")[0]),
    "publish_catalog": lambda store: store.publish_catalog(*catalog("b2")),
    "erase": lambda store: store.erase("crm:1", now=NOW),
    "erase_again": lambda store: store.erase_again([someone_else(store)], now=NOW),
    "scrub": lambda store: store.scrub(),
    "rebuild": lambda store: store.rebuild([rebuilt(store)]),
    "forget_windows": lambda store: store.forget_windows(NOW + 1),
    "forget_catalogs": lambda store: store.forget_catalogs(("old",), now=NOW),
    "forget_interactions": lambda store: store.forget_interactions(NOW + 1),
    "note_erased": lambda store: store.note_erased("gone", {}, pending=()),
}


READS = {
    "accounts",
    "arrivals",
    "catalog_files",
    "count_customers",
    "customer",
    "customer_ids",
    "erased_since",
    "erasures",
    "history",
    "holdings",
    "identities",
    "kept_since",
    "progress",
    "publications",
    "request",
    "simulated",
    "usage",
    "usage_report",
    "windows_since",
}


def test_no_verb_of_the_store_is_left_out() -> None:
    verbs = {name for name in vars(Store) if not name.startswith("_")} - {"close"}
    # `put_progress` is this store's own
    assert verbs | {"put_progress", "reserve with a claim"} == WRITES.keys() | READS


def someone_else(store: SqliteStore) -> Erased:
    """An erasure that a copy of the store has not seen."""
    (gone,) = store.erased_since()
    return msgspec.structs.replace(gone, erasure_id="other", sequence=9)


def rebuilt(store: SqliteStore) -> Rebuilt:
    """Other aggregates than those of crm:1."""
    found = store.customer("crm:1")
    assert found is not None
    history = store.history(found[0].customer_id)
    assert history is not None
    return Rebuilt(
        customer_id=history.state.customer_id,
        aggregates={"purchases": 7},
        newest=history.newest,
        merges=history.merges,
    )


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[FailingDisk]:
    disk = FailingDisk(tmp_path / "state")
    yield disk
    disk.unregister()


@pytest.fixture
def store(disk: FailingDisk, tmp_path: Path) -> Iterator[SqliteStore]:
    store = open_store(tmp_path / "data" / "nba.db")
    store.update([update(), update("c:1"), update("crm:gone")])
    store.erase("crm:gone", erasure_id="gone", now=NOW)
    store.reserve([request("held"), request("due", expires=NOW + 20)], now=NOW)
    store.reserve([request("claimed")], now=NOW, claim=msgspec.structs.replace(CLAIM, follows=""))
    store.keep_catalog(catalog("old")[0])
    store.publish_catalog(*catalog("a1"))
    store.record([happened(1)], FOLD, now=NOW)
    yield store
    disk.become("")
    store.close()


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("verb", WRITES)
def test_every_verb_that_writes_says_so_and_works_when_the_disk_is_well_again(
    store: SqliteStore, disk: FailingDisk, verb: str, state: State
) -> None:
    before = store.usage_report()
    disk.become(state)
    for _ in range(2):
        with pytest.raises(Exhausted, match=WORDS[state]):
            WRITES[verb](store)
    assert store.usage_report() == store.recount() == before
    assert store.customer("crm:1") is not None
    assert [one.version for one in store.publications()] == ["a1"]
    disk.become("")
    WRITES[verb](store)
    assert store.usage_report() == store.recount()


@pytest.mark.parametrize("state", STATES)
def test_decisions_wait_in_the_queue_of_the_log_until_the_disk_is_well_again(
    disk: FailingDisk, tmp_path: Path, state: State
) -> None:
    log = open_log(tmp_path / "decisions.db")
    disk.become(state)
    log.append(record(1))
    with pytest.raises(Exhausted, match=WORDS[state]):
        log.flush()
    assert log.read("d1") == record(1)
    disk.become("")
    with contextlib.suppress(Exhausted):  # an attempt that began before this may fail meanwhile
        log.flush()
    log.flush()
    assert (log.lost, [one.decision_id for one in log.recent()]) == (0, ["d1"])
    log.close()


@pytest.mark.parametrize("state", STATES)
def test_old_decisions_stay_in_the_log_while_nothing_can_be_written(
    disk: FailingDisk, tmp_path: Path, state: State
) -> None:
    def nothing(_: object) -> Any:
        raise AssertionError("nothing may be moved")

    log = open_log(tmp_path / "decisions.db")
    log.append(record(1))
    log.flush()
    disk.become(state)
    with pytest.raises(Exhausted, match=WORDS[state]):
        Mover(tmp_path / "decisions.db", nothing).move(before=1e9)
    assert log.read("d1") == record(1)
    disk.become("")
    log.close()


def test_decisions_that_do_not_fit_into_a_file_stay_in_the_log_and_move_later(
    tmp_path: Path,
) -> None:
    log = open_log(tmp_path / "decisions.db")
    for number in range(200):
        log.append(record(number, profile=os.urandom(2_000)))
    log.close()
    mover = Mover(tmp_path / "decisions.db", table_of)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, before[1]))
    try:
        with pytest.raises(Exhausted, match="the disk is full"):
            mover.move(before=1e9)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list((tmp_path / "decisions").rglob("*.parquet")) == []
    assert mover.move(before=1e9) == 200
    with closing(open_log(tmp_path / "decisions.db")) as log:
        assert log.read("d7") is not None


def test_a_new_store_says_why_it_cannot_be_made(disk: FailingDisk, tmp_path: Path) -> None:
    disk.become("full")
    with pytest.raises(Exhausted, match="the disk is full"):
        open_store(tmp_path / "nba.db")
    disk.become("")
    open_store(tmp_path / "nba.db").close()


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES])
def test_a_file_system_is_asked_why_it_took_no_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """To SQLite it is an I/O error: the rest is told by touching the file."""
    monkeypatch.setattr(os, "utime", lambda _: fail(number))
    error = apsw.IOError("disk I/O error")
    error.extendedresult = apsw.SQLITE_IOERR_WRITE  # type: ignore[attr-defined]
    found = translated(error, tmp_path / "nba.db")
    assert isinstance(found, Exhausted if number == errno.EROFS else Unavailable)


def fail(number: int) -> None:
    raise OSError(number, os.strerror(number))


def test_a_database_that_was_moved_away_takes_no_writes_ever_again(tmp_path: Path) -> None:
    error = apsw.ReadOnlyError("attempt to write a readonly database")
    error.extendedresult = apsw.SQLITE_READONLY_DBMOVED  # type: ignore[attr-defined]
    found = translated(error, tmp_path / "nba.db")
    assert isinstance(found, Unavailable)
    assert "moved or deleted: start the process again" in str(found)
