"""The load generator of the benchmarks counts what really happened."""

from __future__ import annotations

import os
import sys
import time

import pytest

from benchmarks import http2, streams, wire
from benchmarks.echo import PATH
from nba_engine._gen.nba.v1.decision_service_pb2 import DecideRequest, PlacementRequest
from nba_engine._gen.nba.v1.decision_service_pb2_grpc import DecisionServiceStub
from tests.server.small import SmallEngine, serving

GOOD = [
    DecideRequest(
        identity=f"crm:{number}", placements=[PlacementRequest(placement="banner", slots=2)]
    ).SerializeToString()
    for number in range(50)
]


def test_every_answer_of_the_echo_server_is_counted() -> None:
    bodies = [bytes([n]) * 200 for n in range(10)]
    command = wire.echo_command(response_bytes=300, threads=2)
    result = wire.measure(command, bodies, 0.5, path=PATH, warm_up=0.1)
    assert result.requests > 100
    assert result.failed == 0
    # of some answers the message came within the time, and the status after it
    assert result.response_bytes == pytest.approx(300 * result.requests, rel=0.2)
    assert 0 < result.cpu_micros < 100_000
    assert 0 < result.latencies[0] <= result.latencies[1] < 0.6


def test_requests_vary_and_reach_the_engine_whole() -> None:
    with serving() as served:
        load = wire.Load(bodies=GOOD, connections=2, in_flight=3)
        target = f"127.0.0.1:{served.port}"
        result = wire.generate(target, load, 0.3, warm_up=0.0, pid=os.getpid())
    seen = {int(request.identity.removeprefix("crm:")) for request in served.engine.requests}
    assert {0, 1, 25, 26} <= seen  # each connection begins elsewhere, and goes on in turn
    assert all(number in (0, 25) or (number - 1) % 50 in seen for number in seen)
    assert result.failed == 0
    assert result.requests <= len(served.engine.requests)


def test_failed_answers_are_told_from_good_ones() -> None:
    with serving() as served:
        load = wire.Load(bodies=[GOOD[0], b""], connections=1, in_flight=1)
        result = wire.generate(f"127.0.0.1:{served.port}", load, 0.3, warm_up=0.0)
        unknown = wire.Load(bodies=[b""], path="/no.Such/Method", connections=1, in_flight=2)
        none = wire.generate(f"127.0.0.1:{served.port}", unknown, 0.2, warm_up=0.0)
    assert abs(2 * result.failed - result.requests) <= 1
    assert none.failed == none.requests > 0


def test_more_than_the_first_window_of_64_kilobytes_is_sent() -> None:
    with serving() as served:
        large = GOOD[0] + DecideRequest(request_id="r" * 60_000).SerializeToString()
        load = wire.Load(bodies=[large], connections=1, in_flight=8)
        result = wire.generate(f"127.0.0.1:{served.port}", load, 0.3, warm_up=0.0)
    assert result.failed == result.requests > 8


def test_of_a_thousand_streams_a_hundred_are_let_in_and_the_surplus_is_refused() -> None:
    engine = SmallEngine()
    engine.catalog.placements["home"] = engine.catalog.placements["banner"]  # type: ignore[index]
    with serving(engine, threads=1) as served:
        stub = DecisionServiceStub(served.channel)
        with streams.OpenStreams(f"127.0.0.1:{served.port}", 1_000) as opened:
            while not opened.settled:  # the one thread of the other calls is theirs alone
                assert stub.Decide(DecideRequest.FromString(GOOD[0]), timeout=20).HasField(
                    "decision"
                )
    assert (opened.answered, opened.refused, opened.other_ends) == (100, 900, 0)


def test_streams_with_a_pause_go_on_deciding() -> None:
    engine = SmallEngine()
    engine.catalog.placements["home"] = engine.catalog.placements["banner"]  # type: ignore[index]
    with serving(engine) as served:
        opened = streams.OpenStreams(f"127.0.0.1:{served.port}", 5, pause=0.001)
        until = time.monotonic() + 20
        with opened:
            while opened.answered < 100:
                assert time.monotonic() < until
    assert (opened.refused, opened.other_ends) == (0, 0)


def test_an_even_load_sends_as_many_as_it_should() -> None:
    engine = SmallEngine()
    engine.catalog.placements["home"] = engine.catalog.placements["banner"]  # type: ignore[index]
    with serving(engine) as served:
        load = wire.Load(bodies=GOOD, connections=2, in_flight=64, per_second=100.0)
        result = wire.generate(f"127.0.0.1:{served.port}", load, 1.0, warm_up=0.2)
    assert 50 < result.requests < 130
    assert not result.failed


def test_a_server_that_does_not_start_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="ended with 3"):
        wire.measure([sys.executable, "-c", "raise SystemExit(3)"], GOOD, 0.1)


def test_integers_are_coded_as_in_the_examples_of_rfc_7541() -> None:
    assert http2.literal("a", "b" * 1337)[:2] == b"\0\x01"
    assert http2.literal("a", "b" * 1337)[3:6] == bytes([127, 0xBA, 0x09])  # 1337 - 127 = 1210
