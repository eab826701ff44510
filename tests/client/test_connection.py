"""How a client reaches its server: none there, late, another after a restart, TLS, sockets."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
from grpc import aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from nba_engine.client import (
    AioClient,
    Client,
    ClientClosed,
    DeadlineExceeded,
    NbaClientError,
    Unavailable,
)
from nba_engine.domain import Decision, DecisionRequest
from tests.client.both import KINDS, connected, target_of
from tests.integration.shop import serving_shop
from tests.server.small import SmallEngine, serving

# a certificate for localhost, and its key, that protect nothing
DATA = Path(__file__).parent / "data"
each_kind = pytest.mark.parametrize("kind", KINDS)


class Blocked(SmallEngine):
    """Decides when it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = threading.Event()
        self.let = threading.Event()

    def decide(self, request: DecisionRequest, *, deadline: float | None = None) -> Decision:
        self.asked.set()
        assert self.let.wait(20)
        return super().decide(request, deadline=deadline)


@pytest.fixture(scope="module")
def nowhere() -> str:
    """An address where nobody listens any more."""
    with serving() as served:
        return target_of(served)


@each_kind
def test_no_server_is_told_at_once(kind: str, nowhere: str) -> None:
    started = time.monotonic()
    with (
        connected(kind, nowhere, timeout=20.0) as client,
        pytest.raises(Unavailable, match=f"no server answers at {nowhere}") as caught,
    ):
        client.decide("crm:1", ["banner"])
    assert time.monotonic() - started < 10
    assert caught.value.retry_after is None
    assert caught.value.reason == "UNAVAILABLE"


@each_kind
def test_who_waits_for_ready_waits_until_the_deadline(kind: str, nowhere: str) -> None:
    with connected(kind, nowhere, timeout=0.3, wait_for_ready=True) as client:
        with pytest.raises(DeadlineExceeded, match=r"no answer within 0\.3 s"):
            client.decide("crm:1", ["banner"])
        with pytest.raises(Unavailable):
            client.decide("crm:1", ["banner"], wait_for_ready=False, timeout=10.0)


@each_kind
def test_a_deadline_holds_whatever_the_server_does(kind: str) -> None:
    engine = Blocked()
    with serving(engine) as served, connected(kind, target_of(served), timeout=20.0) as client:
        started = time.monotonic()
        with pytest.raises(DeadlineExceeded, match=r"no answer within 0\.2 s"):
            client.decide("crm:1", ["banner"], timeout=0.2)
        assert time.monotonic() - started < 5
        engine.let.set()
        assert client.decide("crm:1", ["banner"]).recommendations


@each_kind
def test_calls_have_a_deadline_without_asking_for_one(kind: str) -> None:
    with serving() as served:
        with connected(kind, target_of(served), timeout=7.0) as client:
            client.decide("crm:1", ["banner"])
            client.decide("crm:1", ["banner"], timeout=3.0)
        (first, second) = served.engine.deadlines
    assert first is not None
    assert second is not None
    assert 3.5 < first - time.monotonic() < 7.5  # gRPC rounds up
    assert second - time.monotonic() < 3.5


@each_kind
def test_metadata_of_the_client_go_with_every_call_unless_the_call_has_its_own(kind: str) -> None:
    everywhere = [("x-request-id", "shop-7"), ("x-shop", "7")]
    with serving() as served, connected(kind, target_of(served), metadata=everywhere) as client:
        with pytest.raises(NbaClientError) as caught:
            client.decide("crm:1", ["attic"])
        assert caught.value.request_id == "shop-7"
        with pytest.raises(NbaClientError) as caught:
            client.decide("crm:1", ["attic"], metadata=[("x-request-id", "page-1")])
        assert caught.value.request_id == "page-1"


@each_kind
def test_a_client_outlives_a_server_that_was_killed(kind: str, tmp_path: Path) -> None:
    with serving_shop(tmp_path) as shop:
        target = shop.address
        with connected(kind, target, timeout=10.0) as client:
            client.update_profile("crm:1", attributes={"age": 44})
            shop.process.kill()
            shop.process.wait()
            with pytest.raises(Unavailable):
                client.get_profile("crm:1", timeout=1.0)
            with serving_shop(tmp_path, NBA_SERVER__LISTEN=target):
                known = client.get_profile("crm:1", wait_for_ready=True, timeout=20.0)
    assert known.attributes == {"age": 44}


@each_kind
def test_a_unix_socket_is_a_target(kind: str, tmp_path: Path) -> None:
    target = f"unix:{tmp_path / 'nba.sock'}"
    with serving(listen=target), connected(kind, target) as client:
        assert client.health() == "serving"


@each_kind
def test_credentials_encrypt(kind: str) -> None:
    key, certificate = (DATA / f"localhost.{end}" for end in ("key", "crt"))
    server = grpc.server(ThreadPoolExecutor(1))
    servicer = health.HealthServicer()
    servicer.set("", health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    secrets = grpc.ssl_server_credentials([(key.read_bytes(), certificate.read_bytes())])
    port = server.add_secure_port("127.0.0.1:0", secrets)
    server.start()
    try:
        trusted = grpc.ssl_channel_credentials(certificate.read_bytes())
        with connected(kind, f"localhost:{port}", credentials=trusted, timeout=10.0) as client:
            assert client.health() == "serving"
        with (
            connected(kind, f"localhost:{port}", timeout=10.0) as client,
            pytest.raises(Unavailable),
        ):
            client.decide("crm:1", ["banner"])
    finally:
        server.stop(0)


def test_a_channel_that_was_given_stays_the_callers() -> None:
    with serving() as served, grpc.insecure_channel(target_of(served)) as channel:
        for _ in range(2):
            with Client(channel=channel) as client:
                assert client.health() == "serving"


def test_a_channel_of_the_loop_that_was_given_stays_the_callers() -> None:
    async def twice(target: str) -> None:
        async with aio.insecure_channel(target) as channel:
            for _ in range(2):
                async with AioClient(channel=channel) as client:
                    assert await client.health() == "serving"

    with serving() as served:
        asyncio.run(twice(target_of(served)))


@each_kind
def test_a_closed_client_says_so(kind: str) -> None:
    with serving() as served, connected(kind, target_of(served)) as client:
        client.health()
        client.close()
        client.close()
        for call in (client.health, client.get_catalog, client.interactions):
            with pytest.raises(ClientClosed, match="the client was closed"):
                call()


def test_closing_ends_calls_under_way() -> None:
    engine = Blocked()
    with serving(engine) as served, ThreadPoolExecutor(1) as pool:
        client = Client(target_of(served), timeout=20.0)
        under_way = pool.submit(client.decide, "crm:1", ["banner"])
        assert engine.asked.wait(10)
        client.close()
        with pytest.raises(ClientClosed):
            under_way.result(10)
        engine.let.set()


def test_a_cancelled_task_cancels_its_call() -> None:
    async def cancelled(target: str) -> None:
        async with AioClient(target, timeout=20.0) as client:
            task = asyncio.create_task(client.decide("crm:1", ["banner"]))
            done, _ = await asyncio.wait([task], timeout=0.1)
            assert not done
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    engine = Blocked()
    with serving(engine) as served:
        asyncio.run(cancelled(target_of(served)))
        engine.let.set()


def test_an_aio_client_may_be_made_before_there_is_a_loop() -> None:
    with serving() as served:
        client = AioClient(target_of(served))

        async def ask() -> str:
            async with client:
                return await client.health()

        assert asyncio.run(ask()) == "serving"
