"""What the oracle finds in histories that are wrong: a proof that it could fail."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import apsw
import pytest

from faults.database import SqliteDatabase, watch
from faults.journal import Journal
from faults.oracle import Oracle
from nba_engine.domain import Hold, ProfileUpdate, ReservationRequest
from nba_engine.store import SqliteStore, open_store
from nba_engine.testing.customers_suite import FOLD, happened

NOW = 1_700_000_000.0


class Bench:
    """A watched store with two grants, the journal of who asked for them, and the database."""

    def __init__(self, folder: Path) -> None:
        file = folder / "nba.db"
        self.store: SqliteStore = open_store(file)
        (state,) = self.store.update([ProfileUpdate(identity="crm:1")])
        self.customer = state.customer_id
        watch(file)
        self.sql = apsw.Connection(str(file))
        self.journal = Journal(folder / "journal")
        self.oracle = Oracle(SqliteDatabase(file), {"v1": {"hot": 2}, "v2": {"hot": 3}})
        for name in ("a", "b"):
            self.grant(name)
            self.answer(name)

    def answer(self, name: str, version: str = "v1") -> None:
        self.journal.attempt("crm:1")
        self.journal.grant("crm:1", name, version)

    def grant(self, name: str) -> None:
        hold = Hold(account="hot", limit="hot", amount=1, ceiling=1_000)
        self.store.reserve(
            [
                ReservationRequest(
                    reservation_id=name,
                    decision_id=name,
                    customer_id=self.customer,
                    holds=(hold,),
                    expires=NOW + 5.0,
                )
            ],
            now=NOW,
        )

    def counts(self) -> tuple[int, int, int, int]:
        """Lost, exceeded, double, wrong counters."""
        self.oracle.check(self.journal)
        found = self.oracle
        return len(found.lost), len(found.exceeded), len(found.double), len(found.wrong)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    one = Bench(tmp_path)
    yield one
    one.oracle.close()
    one.journal.close()
    one.sql.close()
    one.store.close()


def test_a_history_without_fault_is_found_good(bench: Bench) -> None:
    bench.store.release(["a"], now=NOW)
    bench.store.expire(now=NOW + 10.0)
    bench.oracle.finish(bench.journal)
    assert bench.counts() == (0, 0, 0, 0)


def test_a_grant_beyond_the_amount_is_found(bench: Bench) -> None:
    bench.answer("c")
    bench.grant("c")  # the third, of two; the ledger was told another amount
    assert bench.counts() == (0, 1, 0, 0)


def test_the_amount_is_that_of_the_catalog_that_decided(bench: Bench) -> None:
    bench.answer("c", "v2")
    bench.grant("c")  # the third, of three
    assert bench.counts() == (0, 0, 0, 0)
    bench.answer("d", "v2")
    bench.grant("d")
    assert bench.counts() == (0, 1, 0, 0)


def test_where_nobody_was_answered_it_may_be_any_catalog_but_no_more(bench: Bench) -> None:
    for name in ("c", "d"):
        bench.journal.attempt("crm:1")
        bench.journal.fail("crm:1", "UNAVAILABLE")
        bench.grant(name)
    bench.store.expire(now=NOW + 10.0)
    bench.oracle.finish(bench.journal)
    assert {what.partition(" ")[0] for what in bench.oracle.exceeded} == {"d"}


def test_an_acknowledged_reservation_that_is_gone_is_found(bench: Bench) -> None:
    bench.answer("never stored")
    assert bench.counts() == (1, 0, 0, 0)


def test_a_reservation_that_nobody_asked_for_is_found(bench: Bench) -> None:
    bench.store.release(["a"], now=NOW)
    bench.grant("c")
    assert bench.counts() == (0, 0, 1, 0)


def test_a_call_without_an_answer_may_have_reserved_once(bench: Bench) -> None:
    bench.store.release(["a"], now=NOW)
    bench.grant("c")
    bench.journal.attempt("crm:1")
    bench.journal.fail("crm:1", "UNAVAILABLE")
    assert bench.counts() == (0, 0, 0, 0)


def test_what_was_there_at_a_check_and_is_not_at_the_next_is_found(bench: Bench) -> None:
    assert bench.counts() == (0, 0, 0, 0)
    bench.sql.execute("DELETE FROM reservations WHERE reservation_id = 'a'")
    assert bench.counts() == (1, 0, 0, 0)


def test_a_history_that_became_shorter_is_found(bench: Bench) -> None:
    assert bench.counts() == (0, 0, 0, 0)
    bench.sql.execute("DELETE FROM fault_history WHERE seq = 2")
    assert bench.counts() == (0, 0, 0, 1)


def test_impressions_are_counted_again_at_the_end(bench: Bench) -> None:
    thing = happened("1", "impression", identity="crm:1", recommendation="a")
    bench.store.record([thing], FOLD, now=NOW)  # which does not count impressions
    bench.journal.record("i1", "a", "CONFIRMED", shown=True)
    bench.store.expire(now=NOW + 10.0)
    bench.oracle.finish(bench.journal)
    assert [what.partition(":")[2] for what in bench.oracle.wrong] == [
        "1: (0, 1) impressions, counted 1"
    ]
    assert bench.oracle.lost == set()


@pytest.mark.parametrize(
    ("statement", "counts"),
    [
        ("UPDATE accounts SET reserved = 1", (0, 0, 0, 1)),
        ("UPDATE accounts SET spent = 7", (0, 0, 0, 1)),
        ("UPDATE reservations SET status = 3; UPDATE reservations SET status = 2", (0, 0, 2, 1)),
    ],
)
def test_what_is_tampered_with_is_found(
    bench: Bench, statement: str, counts: tuple[int, int, int, int]
) -> None:
    bench.sql.execute(statement)
    assert bench.counts() == counts


@pytest.mark.parametrize("kind", ["interaction", "reservation"])
def test_at_the_end_every_effect_is_there_and_nothing_is_reserved(bench: Bench, kind: str) -> None:
    find: dict[str, Callable[[], set[str]]] = {
        "interaction": lambda: bench.oracle.lost,
        "reservation": lambda: bench.oracle.double,
    }
    bench.journal.record("i", "a", "CONFIRMED", shown=True)
    bench.oracle.finish(bench.journal)
    assert any(kind in what or "never ended" in what for what in find[kind]())
