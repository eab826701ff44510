"""StreamDecide from both clients: order, flow control, errors of items, of streams, of callers."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import CancelledError
from typing import Any

import grpc
import pytest

from nba_engine import errors
from nba_engine._gen.nba.v1 import decision_service_pb2 as messages
from nba_engine.client import (
    AioClient,
    DeadlineExceeded,
    DecideRequest,
    Exhausted,
    Internal,
    InvalidRequest,
    NbaClientError,
    Unavailable,
)
from nba_engine.client.streams import Correlation
from tests.client.both import KINDS, connected, serving_troubled, target_of
from tests.server.small import serving

each_kind = pytest.mark.parametrize("kind", KINDS)


def asking(number: int, placement: str = "banner") -> DecideRequest:
    return DecideRequest(identity=f"crm:{number}", placements=[placement])


def error_of_stream(client: Any) -> NbaClientError:
    """What a stream of one request fails with; again while grpc.aio has lost why."""
    while True:
        with pytest.raises(NbaClientError) as caught:
            list(client.stream_decide([asking(1)]))
        if caught.value.code != "CANCELLED":
            return caught.value


@each_kind
def test_results_come_in_the_order_of_the_requests(kind: str) -> None:
    requests = [asking(n) for n in range(200)]
    with serving() as served, connected(kind, target_of(served)) as client:
        results = list(client.stream_decide(requests))
        assert [r.request for r in results] == requests
        assert [r.identity for r in served.engine.requests] == [r.identity for r in requests]
        ids = [r.get().decision_id for r in results]
        assert ids == [f"d{n}" for n in range(200)]


@each_kind
def test_a_request_fails_alone_and_the_stream_goes_on(kind: str) -> None:
    with (
        serving_troubled(errors.Unavailable("away")) as (served, _),
        connected(kind, target_of(served)) as client,
    ):
        requests = [asking(0), asking(1, "attic"), asking(2)]
        away, wrong, good = client.stream_decide(requests)
    assert isinstance(away.error, Unavailable)
    assert isinstance(wrong.error, InvalidRequest)
    assert [one.field for one in wrong.error.violations] == ["placements[0].placement"]
    assert str(wrong.error).startswith("StreamDecide: placements[0].placement: ")
    assert good.get().recommendations


@each_kind
def test_nothing_is_a_stream_too(kind: str) -> None:
    with serving() as served, connected(kind, target_of(served)) as client:
        assert list(client.stream_decide([])) == []


@each_kind
def test_whoever_does_not_read_is_not_read_from(kind: str) -> None:
    taken: list[int] = []
    third = threading.Event()

    def endless() -> Iterator[DecideRequest]:
        for number in itertools.count():
            taken.append(number)
            if number == 2:
                third.set()
            yield asking(number)

    with serving() as served, connected(kind, target_of(served)) as client:
        stream = client.stream_decide(endless(), ahead=3)
        assert next(stream).get().decision_id == "d0"
        assert third.wait(10)
        for _ in range(5):
            next(stream)
        assert len(taken) <= 6 + 3
        stream.close()
    assert len(taken) <= 6 + 3


@each_kind
def test_a_result_comes_before_the_next_request_is_there(kind: str) -> None:
    answered = threading.Event()

    def one_after_the_other() -> Iterator[DecideRequest]:
        yield asking(0)
        assert answered.wait(10)
        yield asking(1)

    async def without_blocking() -> object:
        async def slowly() -> AsyncIterator[DecideRequest]:
            yield asking(0)
            while not answered.is_set():
                await asyncio.sleep(0)
            yield asking(1)

        async with AioClient(target_of(served)) as aio:
            found = []
            async for result in aio.stream_decide(slowly()):
                found.append(result.get().decision_id)
                answered.set()
            return found

    with serving() as served:
        if kind == "asyncio":
            assert asyncio.run(without_blocking()) == ["d0", "d1"]
            return
        with connected(kind, target_of(served)) as client:
            stream = client.stream_decide(one_after_the_other())
            assert next(stream).get().decision_id == "d0"
            answered.set()
            assert next(stream).get().decision_id == "d1"
            assert list(stream) == []


@each_kind
@pytest.mark.parametrize("error", [LookupError, grpc.RpcError, asyncio.InvalidStateError])
def test_an_error_of_the_requests_is_raised_after_the_results_before_it(
    kind: str, error: type[Exception]
) -> None:
    def broken() -> Iterator[DecideRequest]:
        yield asking(0)
        raise error("the queue is gone")

    with serving() as served, connected(kind, target_of(served)) as client:
        stream = client.stream_decide(broken(), timeout=20.0)
        assert next(stream).get().decision_id == "d0"
        with pytest.raises(error, match="the queue is gone"):
            next(stream)


@each_kind
def test_requests_that_wait_for_what_was_cancelled_end_the_stream(kind: str) -> None:
    def broken() -> Iterator[DecideRequest]:
        yield asking(0)
        raise asyncio.CancelledError

    with serving() as served, connected(kind, target_of(served)) as client:
        stream = client.stream_decide(broken(), timeout=20.0)
        assert next(stream).get().decision_id == "d0"
        with pytest.raises((asyncio.CancelledError, CancelledError)):
            next(stream)


@each_kind
def test_what_no_message_holds_is_named(kind: str) -> None:
    wrong = DecideRequest(identity="crm:1", placements=["banner"], context={"cart": object()})  # type: ignore[dict-item]
    with serving() as served, connected(kind, target_of(served)) as client:
        stream = client.stream_decide([asking(0), wrong])
        next(stream)
        with pytest.raises(InvalidRequest, match=r'context\["cart"\]: no value of the API'):
            next(stream)


@each_kind
def test_a_stream_beyond_the_cap_is_refused(kind: str) -> None:
    hold = threading.Event()

    def waiting() -> Iterator[DecideRequest]:
        yield asking(0)
        hold.wait(20)

    with serving(max_streams=1) as served, connected("threads", target_of(served)) as first:
        stream = first.stream_decide(waiting())
        next(stream)
        with connected(kind, target_of(served)) as client:
            refused = error_of_stream(client)
        hold.set()
        stream.close()
    assert isinstance(refused, Exhausted)
    assert refused.reason == "TOO_MANY_STREAMS"
    assert refused.metadata["max_streams"] == "1"
    assert refused.retry_after is not None


@each_kind
def test_each_request_has_a_deadline_without_asking_and_the_stream_has_one_if_asked(
    kind: str,
) -> None:
    hold = threading.Event()

    def waiting() -> Iterator[DecideRequest]:
        yield asking(0)
        if kind == "threads":
            hold.wait(20)
        else:
            yield from map(asking, itertools.count(1))

    with serving() as served, connected(kind, target_of(served), timeout=7.0) as client:
        with pytest.raises(DeadlineExceeded, match=r"StreamDecide: no answer within 0\.3 s"):
            list(client.stream_decide(waiting(), timeout=0.3))
        hold.set()
        assert served.engine.deadlines[0] is not None


@each_kind
def test_a_stream_without_a_server_says_so(kind: str) -> None:
    with serving() as served:
        target = target_of(served)
    with connected(kind, target) as client:
        error = error_of_stream(client)
    assert isinstance(error, Unavailable)
    assert str(error).startswith(f"StreamDecide: no server answers at {target} (")


def test_answers_out_of_order_or_missing_are_an_internal_error() -> None:
    correlation = Correlation(1.5)
    message = correlation.message(asking(0))
    assert (message.correlation_id, message.timeout.ToMilliseconds()) == ("0", 1500)
    with pytest.raises(Internal, match="1 answers missing"):
        correlation.finish()
    with pytest.raises(Internal, match="'7' instead of '0'"):
        correlation.result(messages.StreamDecideResponse(correlation_id="7"))
    with pytest.raises(Internal, match="answered"):
        correlation.result(messages.StreamDecideResponse())
