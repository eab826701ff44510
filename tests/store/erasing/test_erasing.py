"""Erasing from the embedded store: its files, its counters, and the moment while it is committed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from nba_engine.domain import FILES, LOG, OPEN, SINKS, id_time
from nba_engine.errors import RequestTaken, Unavailable
from nba_engine.store import SqliteStore, open_store
from nba_engine.store.erasing import stored
from nba_engine.store.erasing.stored import list_path, read_list
from nba_engine.testing.customers_suite import FOLD, happened
from nba_engine.testing.erasing_suite import claimed, fill, known_answer, reserve


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    opened = open_store(tmp_path / "nba.db")
    yield opened
    opened.close()


def test_who_begins_while_it_is_being_committed_may_have_read_the_customer_and_is_late(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    customer = fill(store)
    away = Unavailable("the disk is slow")

    def dies(*_given: object, **_options: object) -> None:
        raise away

    with monkeypatch.context() as patched:
        patched.setattr(stored, "close_erasure", dies)
        with pytest.raises(Unavailable):
            store.erase("crm:1", erasure_id="e1", now=time.time())
    assert store.customer("crm:1") is None
    assert store.erased_since()[0].before == OPEN
    during = time.time() + 30  # whatever the clock says
    assert not reserve(store, customer, "r1", began=during)
    assert not reserve(store, "crm:1", "r2", began=during)
    with pytest.raises(RequestTaken):
        store.remember(claimed("q1", began=during), b"Dear Ada", now=during)
    other = store.erase("crm:9", now=time.time())
    assert not reserve(store, customer, "r3", began=during)
    assert store.erase("crm:1", erasure_id="e1", now=time.time()).erasure_id == "e1"
    first, second = store.erased_since()
    assert id_time(time.time() - 60) < first.before <= id_time(time.time() + 1)
    assert second.erasure_id == other.erasure_id
    assert reserve(store, "crm:1", "r4", began=during)
    store.remember(claimed("q1", began=during), b"Welcome", now=during)
    assert known_answer(store, "q1") == b"Welcome"


def test_what_goes_on_with_it_closes_it_too(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(store)
    with monkeypatch.context() as patched:
        patched.setattr(stored, "close_erasure", lambda *_given, **_options: None)
        store.erase("crm:1", erasure_id="e1", now=time.time())
    assert store.erased_since()[0].before == OPEN
    store.note_erased("e1", {}, pending=(LOG, SINKS, FILES))
    assert store.erased_since()[0].before <= id_time(time.time() + 1)


def test_the_files_name_nobody_once_it_is_done_and_the_list_beside_them_never(
    store: SqliteStore, tmp_path: Path
) -> None:
    customer = fill(store)
    store.erase("cookie:1", erasure_id="e1", now=time.time())

    def named(word: str) -> bool:
        return any(word.encode() in file.read_bytes() for file in tmp_path.iterdir())

    store.scrub()
    assert named("cookie:1"), "as long as sinks may have to be told"
    store.note_erased("e1", {}, pending=(FILES,))
    store.scrub()
    assert not any(named(word) for word in ("crm:1", "cookie:1", customer, "Ada", "login"))
    store.note_erased("e1", {}, pending=())
    (listed,) = read_list(tmp_path / "nba.db")
    assert listed.covers("crm:1")
    assert listed.names == ()
    assert list_path(tmp_path / "nba.db").stat().st_mode & 0o777 == 0o600


def test_counters_equal_a_recount_and_a_new_customer_has_another_id(store: SqliteStore) -> None:
    before = fill(store)
    reserve(store, before, "r1", "r2", "r3", began=time.time())
    store.record(
        [happened("d", "delivery", recommendation="r1", time=time.time())], FOLD, now=time.time()
    )
    store.erase("crm:1", now=time.time())
    assert store.usage_report() == store.recount()
    store.record([happened("n", time=time.time() + 1)], FOLD, now=time.time())
    found = store.customer("crm:1")
    assert found is not None
    assert found[0].customer_id != before
