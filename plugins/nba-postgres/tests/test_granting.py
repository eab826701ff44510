"""Granting at once, in one statement: the same as deciding one by one, and done when it can be."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import psycopg
import pytest

from nba_engine.domain import Claim, Hold, LinkRequest, ProfileUpdate, ReservationRequest
from nba_engine.errors import Unavailable
from nba_engine.store.customers import derived_id
from nba_engine.store.interactions import prepare
from nba_engine.testing.customers_suite import FOLD, NOW, happened
from nba_postgres import writer
from nba_postgres.changes import Change, Expire, Reserve, Write
from nba_postgres.connections import Connection
from nba_postgres.store import PostgresStore, open_store

pytestmark = pytest.mark.xdist_group("postgres")

_TABLES = ("accounts", "reservations", "spends", "decision_requests", "identities", "meta")


@pytest.fixture
def opened(url: Callable[[str], str]) -> Iterator[Callable[[str], PostgresStore]]:
    stores: list[PostgresStore] = []

    def open_one(name: str) -> PostgresStore:
        stores.append(open_store(url(name)))
        return stores[-1]

    yield open_one
    for store in stores:
        store.close()


def on(account: str, amount: int = 1, *, ceiling: int = 100, rolls: float = 0.0) -> Hold:
    return Hold(account=account, limit=account, amount=amount, ceiling=ceiling, rolls=rolls)


def reservation(name: str, *holds: Hold, customer: str = "c", ends: float) -> ReservationRequest:
    return ReservationRequest(
        reservation_id=name, decision_id=f"d{name}", customer_id=customer, holds=holds, expires=ends
    )


def claim(name: str, decision: str, now: float) -> Claim:
    return Claim(
        request_id=name,
        fingerprint=b"body",
        decision_id=decision,
        identity="crm:1",
        until=now + 2.0,
        expires=now + 900.0,
    )


def together(store: PostgresStore, changes: Sequence[Change]) -> list[object]:
    """Commit these as one group; what came of each."""
    tickets = [writer._Ticket(change) for change in changes]
    store._writer._commit(tickets)
    return [repr(one.error) if one.error else one.result for one in tickets]


def rows(store: PostgresStore) -> dict[str, list[Any]]:
    """All rows that the ledger changes, without the salt."""
    return {
        table: store._connections.read(
            lambda c, table=table: c.execute(  # type: ignore[misc]
                f"SELECT * FROM {table} AS t WHERE to_jsonb(t)->>'key' IS DISTINCT FROM 'salt'"
                ' ORDER BY t::text COLLATE "C"'.encode()
            ).fetchall()
        )
        for table in _TABLES
    }


class Steps:
    """What happens, at random: a group of changes for each step."""

    def __init__(self, seed: int) -> None:
        self._draw = random.Random(seed)
        self._names: list[str] = []
        self._ceiling, self._rolls = 25, 4.0
        self.now = NOW

    def next(self) -> list[Change]:
        self.now += self._draw.choice((0.0, 0.2, 0.7, 1.5))
        if self._draw.random() < 0.1:  # another catalog
            self._ceiling, self._rolls = (
                self._draw.choice((15, 25, 40)),
                self._draw.choice((4.0, 9.0)),
            )
        dice = self._draw.random()
        if dice < 0.7:
            now = self.now + self._draw.choice((0.0, 0.0, 0.0, 0.0, -2.5))  # another machine's
            return [self._reserve(now) for _ in range(self._draw.randint(1, 4))]
        if dice < 0.95:
            kinds = self._draw.choices(("impression", "reject"), k=3)
            items = [
                happened(
                    f"i{self._draw.random()}",
                    kind,
                    identity="crm:1",
                    time=self.now,
                    recommendation=self._draw.choice(self._names or ["none"]),
                )
                for kind in kinds
            ]
            return [Write(items=prepare(items), fold=FOLD, now=self.now)]
        return [Expire(self.now, 100)]

    def _reserve(self, now: float) -> Reserve:
        requests = [self._request(now) for _ in range(self._draw.choice((1, 1, 2)))]
        name = f"q{self._draw.randrange(300)}"
        claimed = claim(name, requests[0].decision_id, now) if self._draw.random() < 0.2 else None
        return Reserve(requests, now, claimed)

    def _request(self, now: float) -> ReservationRequest:
        draw = self._draw
        if self._names and draw.random() < 0.02:
            name = draw.choice(self._names)  # a repeat
        else:
            self._names.append(name := f"r{len(self._names)}")
        holds = [
            on("hot", draw.choice((1, 2)), ceiling=self._ceiling),
            on(f"cold{draw.randrange(8)}", ceiling=8),
            on("roll", 3, ceiling=90, rolls=self._rolls),
            on("day|2017-11-06", ceiling=10_000),
        ]
        return reservation(
            name,
            *draw.sample(holds, draw.randint(0, 3)),
            customer=draw.choice(
                [derived_id("crm:1"), derived_id("crm:2"), "cookie:1", "cookie:2"]
            ),
            ends=now + draw.choice((1.0, 3.0, 20.0)),
        )


@pytest.mark.parametrize("seed", [1, 2])
def test_it_does_what_deciding_one_by_one_does(
    opened: Callable[[str], PostgresStore], monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    stores = opened("at_once"), opened("one_by_one")
    for store in stores:
        monkeypatch.setattr(store._writer, "_new_id", derived_id)
        store.update([ProfileUpdate(identity="crm:1"), ProfileUpdate(identity="crm:2")])
    monkeypatch.setattr(stores[1]._writer, "_at_once", lambda _: [])
    grant, done = stores[0]._writer._grant, list[bool]()

    def noted(*values: Any) -> bool:
        done.append(grant(*values))
        return done[-1]

    monkeypatch.setattr(stores[0]._writer, "_grant", noted)
    steps = Steps(seed)
    for number in range(120):
        if number == 80:
            for store in stores:
                store.link(LinkRequest(identities=("crm:1", "cookie:1")), keep_one, now=steps.now)
        changes = steps.next()
        one, other = (together(store, changes) for store in stores)
        assert one == other
        if number % 8 == 7:
            for table, mine in rows(stores[0]).items():
                assert mine == rows(stores[1])[table]
            assert stores[0].recount() == stores[0].usage_report()
    assert done.count(True) > 20
    assert done.count(False) > 10


def keep_one(one: Any, _other: Any) -> Any:
    return one


def test_one_statement_grants_what_many_ask_for(
    opened: Callable[[str], PostgresStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = opened("store")
    (state,) = store.update([ProfileUpdate(identity="crm:1")])
    monkeypatch.setattr(writer, "begin", None)  # the way of one by one
    asked = [
        Reserve([reservation(f"r{n}", on("hot"), customer=state.customer_id, ends=NOW + 9)], NOW)
        for n in range(40)
    ]
    asked += [Reserve([], NOW, claim("q", "d1", NOW))]
    answers = together(store, asked)
    assert all(not isinstance(one, str) for one in answers)
    (usage,) = store.usage_report()
    assert usage.reserved == 40
    request = store.request("q", now=NOW)
    assert request is not None
    assert request.decision_id == "d1"


def test_when_the_connection_breaks_after_the_commit_the_answers_are_found_again(
    opened: Callable[[str], PostgresStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = opened("store")
    (state,) = store.update([ProfileUpdate(identity="crm:1")])
    _break_after(store, monkeypatch, "grant_all")
    one = reservation("r1", on("hot"), customer=state.customer_id, ends=NOW + 9)
    (answer,) = store.reserve([one], now=NOW, claim=claim("q", "dr1", NOW))
    assert answer.granted
    (usage,) = store.usage_report()
    assert usage.reserved == 1


def test_when_that_was_a_new_connection_nobody_knows_what_came_of_it(
    opened: Callable[[str], PostgresStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = opened("store")
    _break_after(store, monkeypatch, "grant_all")
    one = reservation("r1", on("hot"), ends=NOW + 9)
    with pytest.raises(Unavailable, match="the outcome is unknown"):
        store.reserve([one], now=NOW)


def _break_after(store: PostgresStore, monkeypatch: pytest.MonkeyPatch, word: str) -> None:
    """Let the writer's connection break once, after a statement with this word."""
    run, broken = psycopg.Connection.execute, list[Connection]()

    def execute(connection: Any, query: Any, *values: Any, **more: Any) -> Any:
        cursor = run(connection, query, *values, **more)
        if not broken and word in str(query):
            broken.append(connection)
            connection.close()
            raise psycopg.OperationalError("server closed the connection unexpectedly")
        return cursor

    monkeypatch.setattr(psycopg.Connection, "execute", execute)
