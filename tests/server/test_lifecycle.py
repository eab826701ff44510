from __future__ import annotations

import io
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import orjson
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from nba_engine._gen.nba.v1 import decision_service_pb2 as decisions
from nba_engine._gen.nba.v1.catalog_service_pb2 import GetCatalogRequest
from nba_engine._gen.nba.v1.catalog_service_pb2_grpc import CatalogServiceStub
from nba_engine._gen.nba.v1.decision_service_pb2_grpc import DecisionServiceStub
from nba_engine.errors import FailedPrecondition
from nba_engine.server import Server, make_logger
from nba_engine.settings import LoggingSettings, ServerSettings
from tests.server.small import Details, SmallEngine, serving

ROOT = Path(__file__).parents[2]
REQUEST = decisions.DecideRequest(
    identity="crm:1", placements=[decisions.PlacementRequest(placement="banner")]
)


class Process:
    """The blocking server in a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.pipe = folder / "pipe"
        os.mkfifo(self.pipe)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.server.blocking_server", str(folder)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
        )
        assert self.line()["event"] == "serving"
        ready = folder / "ready"
        while not ready.exists():  # it is written right after that line
            assert self.process.poll() is None
        self.address = ready.read_text()
        self.channel = grpc.insecure_channel(self.address)
        self.other_end: Any = None

    def line(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line: dict[str, Any] = orjson.loads(self.process.stdout.readline())
        return line

    def decide(self) -> tuple[grpc.Future[decisions.DecideResponse], Any]:
        """A decision in flight, and the end of the pipe that lets it go on when closed."""
        call: Any = DecisionServiceStub(self.channel).Decide.future(REQUEST)
        self.other_end = self.pipe.open("wb")  # opens when the decision has opened its end
        return call, self.other_end


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Process]:
    one = Process(tmp_path)
    yield one
    one.channel.close()
    if one.other_end is not None:
        one.other_end.close()
    if one.process.poll() is None:
        one.process.kill()
    one.process.wait()
    assert one.process.stdout is not None
    one.process.stdout.close()


def test_sigterm_finishes_what_is_in_flight_and_refuses_what_is_new(process: Process) -> None:
    stub: Any = health_pb2_grpc.HealthStub(process.channel)
    health = stub.Watch(health_pb2.HealthCheckRequest())
    assert next(health).status == health_pb2.HealthCheckResponse.SERVING
    call, pipe = process.decide()

    process.process.send_signal(signal.SIGTERM)

    assert next(health).status == health_pb2.HealthCheckResponse.NOT_SERVING
    with grpc.insecure_channel(process.address) as fresh:
        code = None
        while code is None:  # the health report comes a moment before the door is shut
            probe: Any = CatalogServiceStub(fresh).GetCatalog.future(GetCatalogRequest())
            if probe.exception() is not None:
                code = probe.code()
    # gRPC cancels a call that comes in while the door is being shut
    assert code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)
    assert not call.done()
    health.cancel()
    pipe.close()
    assert call.result().decision.decision_id == "d0"
    assert process.process.wait() == 0
    events = [process.line()["event"] for _ in range(3)]
    assert sorted(events) == ["decision", "stopped", "stopping"]
    assert events[-1] == "stopped"


def test_sigterm_ends_an_open_stream_long_before_the_grace_is_over(process: Process) -> None:
    said: queue.SimpleQueue[decisions.StreamDecideRequest | None] = queue.SimpleQueue()
    said.put(decisions.StreamDecideRequest())  # malformed: answered without a decision
    call: Any = DecisionServiceStub(process.channel).StreamDecide(iter(said.get, None))
    assert next(call).HasField("status")
    process.process.send_signal(signal.SIGTERM)
    with pytest.raises(grpc.RpcError) as caught:
        next(call)
    said.put(None)
    assert Details(caught.value).reason == "SERVER_STOPPING"
    assert process.process.wait(timeout=20) == 0  # the grace is 30 s


def test_a_second_signal_does_not_wait(process: Process) -> None:
    _, pipe = process.decide()
    process.process.send_signal(signal.SIGINT)
    assert process.line()["event"] == "stopping"
    process.process.send_signal(signal.SIGTERM)
    assert process.process.wait() == -signal.SIGTERM
    pipe.close()


class Waiting(SmallEngine):
    """Profiles come when the event is set."""

    def __init__(self) -> None:
        super().__init__()
        self.entered = threading.Event()
        self.go_on = threading.Event()

    def decide(self, request: Any, *, deadline: float | None = None) -> Any:
        self.entered.set()
        self.go_on.wait(30)
        return super().decide(request, deadline=deadline)


def test_calls_that_need_longer_than_the_grace_are_cancelled() -> None:
    engine = Waiting()
    with serving(engine) as served:
        call: Any = DecisionServiceStub(served.channel).Decide.future(REQUEST)
        assert engine.entered.wait(30)
        served.server.stop(0)
        assert call.code() in (grpc.StatusCode.CANCELLED, grpc.StatusCode.UNAVAILABLE)
        engine.go_on.set()


def test_a_call_whose_deadline_passed_in_the_queue_does_no_work() -> None:
    engine = Waiting()
    with serving(engine, threads=1) as served:
        stub = DecisionServiceStub(served.channel)
        first: Any = stub.Decide.future(REQUEST)
        assert engine.entered.wait(30)
        with pytest.raises(grpc.RpcError, match="DEADLINE_EXCEEDED"):
            stub.Decide(REQUEST, timeout=0.05)
        engine.go_on.set()
        first.result()
        stub.Decide(REQUEST)  # the one thread has looked at the call between by now
    assert len(engine.requests) == 2


def test_a_health_probe_does_not_wait_behind_decisions() -> None:
    engine = Waiting()
    with serving(engine, threads=1) as served:
        call: Any = DecisionServiceStub(served.channel).Decide.future(REQUEST)
        assert engine.entered.wait(30)
        stub: Any = health_pb2_grpc.HealthStub(served.channel)
        answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=10)
        engine.go_on.set()
        call.result()
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


def test_an_address_in_use_is_told_in_one_sentence() -> None:
    with serving() as served:
        listen = f"127.0.0.1:{served.port}"
        logger = make_logger(LoggingSettings(), stream=served.log)
        second = Server(SmallEngine(), ServerSettings(listen=listen), logger)
        with pytest.raises(FailedPrecondition, match=f"cannot listen on {listen}"):
            second.start()
        second.stop(0)


def test_a_server_listens_on_a_unix_socket_too(tmp_path: Path) -> None:
    listen = f"unix:{tmp_path}/nba.sock"
    logger = make_logger(LoggingSettings(), stream=io.BytesIO())
    server = Server(SmallEngine(), ServerSettings(listen=listen), logger)
    assert server.start() == 0
    assert server.address == listen
    with grpc.insecure_channel(listen) as channel:
        answer = CatalogServiceStub(channel).GetCatalog(GetCatalogRequest())
    server.stop(0)
    server.wait()
    assert answer.catalog.catalog_version == "v1"
