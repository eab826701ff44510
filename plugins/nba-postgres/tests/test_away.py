"""The database server goes away and comes back: stopped, restarted, crashed, blocked."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import psycopg
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from nba_engine import client as api
from nba_engine.domain import Claim, Hold, LinkRequest, ProfileUpdate, ReservationRequest
from nba_engine.errors import NbaError, Unavailable
from nba_engine.testing.customers_suite import FOLD, NOW, happened
from nba_postgres.address import address_of
from nba_postgres.migrate import lock_of
from nba_postgres.store import PostgresStore, open_store
from nba_postgres.testing import TestServer, running_server
from tests.integration.shop import serving_shop

pytestmark = pytest.mark.xdist_group("postgres")

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


@pytest.fixture(scope="module")
def server() -> Iterator[TestServer]:
    """A server that these tests may stop; whoever does starts it again."""
    with running_server() as server:
        yield server


@pytest.fixture
def store(server: TestServer, request: pytest.FixtureRequest) -> Iterator[PostgresStore]:
    store = open_store(server.url(f"away{abs(hash(request.node.name))}"))
    yield store
    store.close()


def until(condition: Callable[[], object], seconds: float = 30.0) -> None:
    """Wait for something that other processes do."""
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, "it never came"
        threading.Event().wait(0.02)


def works(call: Callable[[], object]) -> bool:
    try:
        call()
    except Unavailable:
        return False
    return True


def wanted(name: str, *, ceiling: int = 1_000) -> ReservationRequest:
    hold = Hold(account="cap/1", limit="cap", amount=1, ceiling=ceiling)
    return ReservationRequest(
        reservation_id=name, decision_id="d", customer_id="c", holds=(hold,), expires=NOW + 900
    )


def test_while_it_is_away_nothing_is_granted_or_acknowledged_and_then_all_goes_on(
    server: TestServer, store: PostgresStore
) -> None:
    update = ProfileUpdate(identity="crm:1", attributes={"age": 1})
    store.update([update])
    claim = Claim(request_id="q", fingerprint=b"f", decision_id="d", until=NOW, expires=NOW)
    calls: list[Callable[[], object]] = [
        lambda: store.customer("crm:1"),
        lambda: store.usage(["cap/1"]),
        store.publications,
        lambda: store.update([update]),
        lambda: store.record([happened(1)], FOLD, now=NOW),
        lambda: store.reserve([wanted("r1")], now=NOW),
        lambda: store.remember(claim, b"", now=NOW),
        lambda: store.link(LinkRequest(identities=("a:1", "a:2")), lambda one, _: one, now=NOW),
        lambda: store.expire(now=NOW),
    ]
    server.stop()
    try:
        for call in calls:
            with pytest.raises(Unavailable, match="PostgreSQL at"):
                call()
        with pytest.raises(Unavailable):
            open_store(server.url("other"))
    finally:
        server.start()
    until(lambda: works(calls[0]))
    assert [one.granted for one in store.reserve([wanted("r1")], now=NOW)] == [True]
    assert [one.status for one in store.record([happened(1)], FOLD, now=NOW)] == ["recorded"]
    (usage,) = store.usage_report()
    assert (usage.reserved, usage.spent) == (1, 0)


def test_a_restart_that_nobody_was_calling_in_is_not_noticed(
    server: TestServer, store: PostgresStore
) -> None:
    store.update([ProfileUpdate(identity="crm:1", attributes={"age": 1})])
    assert store.customer("crm:1") is not None
    server.stop()
    server.start()
    assert store.customer("crm:1") is not None
    assert [one.granted for one in store.reserve([wanted("r1")], now=NOW)] == [True]


def test_what_was_acknowledged_before_a_crash_is_there_and_counts_once(
    server: TestServer, store: PostgresStore
) -> None:
    tried: set[str] = set()
    acknowledged: set[str] = set()
    stopping = threading.Event()

    def work(number: int) -> None:
        draw = random.Random(number)
        turn = 0
        while not stopping.is_set():
            turn += 1
            name = f"{number}-{turn}"
            tried.add(name)
            try:
                (answer,) = store.reserve([wanted(name, ceiling=100_000)], now=NOW)
                assert answer.granted
                acknowledged.add(name)
                if draw.random() < 0.5:
                    store.record([happened(name, "delivery", recommendation=name)], FOLD, now=NOW)
            except Unavailable:
                stopping.wait(0.02)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for _ in range(3):
        before = len(acknowledged)
        until(lambda least=before + 20: len(acknowledged) > least)  # type: ignore[misc]
        server.stop("immediate")
        server.start()
    before = len(acknowledged)
    until(lambda: len(acknowledged) > before + 20)
    stopping.set()
    for thread in threads:
        thread.join()
    with psycopg.connect(**store._connections._address.conninfo) as connection:  # type: ignore[arg-type]
        schema = store._connections._address.schema
        rows = connection.execute(f"SELECT reservation_id FROM {schema}.reservations".encode())
        durable = {str(name) for (name,) in rows}
    assert acknowledged <= durable <= tried
    assert store.recount() == store.usage_report()


def test_an_engine_says_that_it_is_not_serving_and_serves_again(
    server: TestServer, tmp_path: Path
) -> None:
    with (
        serving_shop(tmp_path, NBA_STORE__URL=server.url("shop")) as shop,
        api.Client(shop.address) as client,
        grpc.insecure_channel(shop.address) as channel,
    ):
        health: Any = health_pb2_grpc.HealthStub(channel)

        def status() -> int:
            found: int = health.Check(health_pb2.HealthCheckRequest()).status
            return found

        consent = api.Consent(purpose="marketing", channel="email", granted=True)
        client.update_profile("crm:1", attributes={"age": 40}, consents=[consent])
        assert client.decide("crm:1", ["newsletter"]).recommendations
        assert status() == SERVING
        server.stop()
        try:
            until(lambda: status() == NOT_SERVING)
            with pytest.raises(api.Unavailable):
                client.decide("crm:2", ["banner"], timeout=5.0)
        finally:
            server.start()
        until(lambda: status() == SERVING)
        (again,) = client.decide("crm:1", ["newsletter"]).recommendations
        assert again.action == "nothing"  # one e-mail a week: what was granted still counts


def test_decisions_that_write_nothing_go_on_while_nothing_can_be_written(
    server: TestServer, tmp_path: Path
) -> None:
    address = address_of(server.url("blocked"))
    with (
        serving_shop(tmp_path, NBA_STORE__URL=server.url("blocked")) as shop,
        api.Client(shop.address) as client,
    ):
        consent = api.Consent(purpose="marketing", channel="email", granted=True)
        client.update_profile("crm:1", attributes={"age": 40}, consents=[consent])
        with psycopg.connect(**address.conninfo, autocommit=True) as other:  # type: ignore[arg-type]
            other.execute("SELECT pg_advisory_lock(%s)", (lock_of("blocked"),))
            assert client.decide("crm:1", ["banner"]).recommendations
            with pytest.raises((api.Unavailable, api.DeadlineExceeded)):
                client.decide("crm:1", ["newsletter"], timeout=1.0)
        until(lambda: client.decide("crm:1", ["banner"]).recommendations)
        assert client.decide("crm:1", ["newsletter"], timeout=20.0) is not None


def test_errors_name_the_server_and_never_the_password() -> None:
    with pytest.raises(NbaError) as refused:
        open_store("postgresql://nba:secret@127.0.0.1:1/nba")
    assert "PostgreSQL at 127.0.0.1/nba" in str(refused.value)
    assert "secret" not in str(refused.value)
