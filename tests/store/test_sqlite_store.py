"""What the embedded store offers beyond the protocol: bulk loading, recounts, upkeep, threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from nba_engine.domain import Consent, ProfileUpdate
from nba_engine.errors import Exhausted, FailedPrecondition, NbaError, Unavailable
from nba_engine.store import SqliteStore, open_store
from nba_engine.store.faults import translated
from nba_engine.store.requests import digest_of
from nba_engine.testing.customers_suite import FOLD, NOW, happened, state_of, update
from nba_engine.testing.ledger_suite import granted, hold, request, told


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    store = open_store(tmp_path / "nba.db", simulated=True)
    yield store
    store.close()


def test_bulk_gives_the_states_that_single_records_give(tmp_path: Path) -> None:
    history = [
        happened(n, identity=f"crm:{n % 5}", time=NOW + n, category=[f"c{n % 3}", f"c{n % 7}"])
        for n in range(60)
    ]
    one, other = (open_store(tmp_path / name / "nba.db", simulated=True) for name in "ab")
    one.bulk(interactions=history, fold=FOLD, now=NOW)
    for interaction in reversed(history):
        other.record([interaction], FOLD, now=NOW)
    for number in range(5):
        left, right = (state_of(store, f"crm:{number}") for store in (one, other))
        assert left.aggregates == right.aggregates
        assert left.customer_id == right.customer_id
    one.close()
    other.close()


def test_progress_can_be_noted_and_forgotten(store: SqliteStore) -> None:
    assert store.progress("file") is None
    store.put_progress("file", "a")
    store.put_progress("file", "b")
    assert store.progress("file") == "b"
    store.put_progress("file", None)
    assert store.progress("file") is None


def test_bulk_needs_a_fold_for_interactions(store: SqliteStore) -> None:
    with pytest.raises(TypeError, match="fold"):
        store.bulk(interactions=[happened(1)], now=NOW)


def test_simulated_stores_give_the_same_ids_again_and_real_ones_do_not(tmp_path: Path) -> None:
    ids = {}
    for name, simulated in (("a", True), ("b", True), ("c", False), ("d", False)):
        store = open_store(tmp_path / name / "nba.db", simulated=simulated)
        (state,) = store.update([update("crm:42")])
        ids[name] = state.customer_id
        store.close()
    assert ids["a"] == ids["b"]
    assert len({ids["a"], ids["c"], ids["d"]}) == 3
    assert {len(one) for one in ids.values()} == {32}


def test_counters_equal_a_recount_after_everything_that_can_happen(store: SqliteStore) -> None:
    store.reserve(
        [
            request(n, hold("a/1", amount=n % 3, ceiling=20), hold("b/1", ceiling=15))
            for n in range(30)
        ],
        now=NOW,
    )
    told(store, ("i", "click", 1), ("j", "reject", 2), ("k", "delivery", 3))
    store.expire(now=NOW + 1e6)
    late = request("late", hold("b/1", amount=12, ceiling=15), expires=NOW + 2e6)
    assert granted(store, late, now=NOW + 1e6) == [True]
    assert told(store, ("l", "delivery", 4), ("m", "delivery", 5), now=NOW + 1e6) == [
        "confirmed",
        "overrun",
    ]
    report = store.usage_report()
    assert store.recount() == report
    assert [(usage.account, usage.reserved, usage.spent) for usage in report] == [
        ("a/1", 0, 4),
        ("b/1", 12, 4),
    ]


def test_a_recount_finds_a_counter_that_was_tampered_with(store: SqliteStore) -> None:
    granted(store, request(1))
    store._writer.submit(lambda connection: connection.execute("UPDATE accounts SET spent = 7"))
    assert store.recount() != store.usage_report()


def test_request_ids_are_forgotten_after_a_week(tmp_path: Path) -> None:
    store = open_store(tmp_path / "nba.db")
    once = ProfileUpdate(identity="crm:1", attributes={"age": 1}, request_id="r1")
    store.update([once, ProfileUpdate(identity="crm:1", request_id="r2")])
    eight_days = 8 * 86_400.0
    store._writer.submit(
        lambda connection: connection.execute(
            "UPDATE requests SET time = time - ? WHERE request = ?", (eight_days, digest_of("r1"))
        )
    )
    store.expire(now=NOW)
    left = store._writer.submit(
        lambda connection: connection.execute("SELECT request FROM requests").get
    )
    assert left == digest_of("r2")
    store.close()


def test_readers_see_each_commit_at_once_from_every_thread(store: SqliteStore) -> None:
    wrong: list[object] = []

    def work(thread: int) -> None:
        identity = f"crm:{thread}"
        for number in range(50):
            store.update([update(identity, number=number)])
            if state_of(store, identity).attributes != {"number": number}:
                wrong.append((thread, number))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert state_of(store, "crm:3").version == 50


def test_identities_of_one_customer_are_written_once(store: SqliteStore) -> None:
    store.update([update("crm:1", age=1)])
    store._writer.submit(
        lambda connection: connection.execute(
            "INSERT INTO identities SELECT 'cookie:9', customer FROM identities"
        )
    )
    store.update([update("crm:1", a=1), update("cookie:9", b=2)])
    assert store.customer("crm:1") == store.customer("cookie:9")
    assert state_of(store).attributes == {"age": 1, "a": 1, "b": 2}


def test_everything_after_closing_is_unavailable(store: SqliteStore) -> None:
    store.update([update(age=1)])
    store.close()
    for call in (
        lambda: store.customer("crm:1"),
        lambda: store.usage(["a"]),
        store.usage_report,
        store.recount,
        lambda: store.progress("x"),
        lambda: store.update([update()]),
        lambda: store.record([happened(1)], FOLD, now=NOW),
        lambda: store.reserve([request(1)], now=NOW),
        lambda: store.expire(now=NOW),
    ):
        with pytest.raises(Unavailable, match="is closed"):
            call()


def test_commits_wait_for_the_disk(store: SqliteStore) -> None:
    pragmas = store._writer.submit(
        lambda connection: (connection.pragma("journal_mode"), connection.pragma("synchronous"))
    )
    assert pragmas == ("wal", 2)  # 2 is FULL


def test_readers_cannot_write(store: SqliteStore) -> None:
    with pytest.raises(apsw.ReadOnlyError):
        store._readers.connection().execute("DELETE FROM meta")


def test_a_deadline_that_has_passed_writes_nothing(store: SqliteStore) -> None:
    reached, go = threading.Event(), threading.Event()

    def busy(connection: apsw.Connection) -> None:
        reached.set()
        assert go.wait(10)

    keeper = threading.Thread(target=store._writer.submit, args=(busy,))
    keeper.start()
    assert reached.wait(10)
    with pytest.raises(Unavailable, match="nothing was written"):
        store.reserve([request(1)], now=NOW, deadline=time.monotonic())
    go.set()
    keeper.join()
    assert store.usage_report() == []


def test_consents_and_attributes_of_one_update_are_one_version(store: SqliteStore) -> None:
    consent = Consent(granted=True, time=NOW, source="form")
    store.update(
        [
            ProfileUpdate(
                identity="crm:1", attributes={"a": 1}, consents={"marketing:email": consent}
            )
        ]
    )
    state = state_of(store)
    assert state.version == 1
    assert state.consents == {"marketing:email": consent}


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (apsw.FullError(), Exhausted),
        (OSError(28, "No space left on device"), Exhausted),
        (OSError(13, "Permission denied"), Unavailable),
        (apsw.BusyError(), Unavailable),
        (apsw.LockedError(), Unavailable),
        (apsw.ReadOnlyError(), Exhausted),
        (apsw.IOError(), Unavailable),
        (apsw.CantOpenError(), Unavailable),
        (apsw.ConnectionClosedError(), Unavailable),
        (apsw.CorruptError(), FailedPrecondition),
        (apsw.NotADBError(), FailedPrecondition),
        (apsw.SQLError(), NbaError),
    ],
)
def test_driver_errors_become_the_engines_errors(error: Exception, kind: type[NbaError]) -> None:
    found = translated(error, Path("data/nba.db"))
    assert type(found) is kind
    assert "data/nba.db" in str(found)
    assert found.__cause__ is error


def test_errors_that_are_not_the_drivers_stay_as_they_are() -> None:
    error = ValueError("x")
    assert translated(error, Path("x")) is error
