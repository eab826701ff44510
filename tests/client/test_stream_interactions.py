"""StreamInteractions from both clients: order, flow control, and what happens when it breaks."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import grpc
import pytest

from nba_engine import errors
from nba_engine._gen.nba.v1 import interaction_service_pb2 as messages
from nba_engine.client import (
    Exhausted,
    Interaction,
    Internal,
    InvalidRequest,
    Unavailable,
)
from nba_engine.client.unacknowledged import Unacknowledged
from nba_engine.domain import Interaction as Happened
from nba_engine.domain import InteractionResult
from tests.client.both import KINDS, connected, serving_troubled, target_of
from tests.server.small import SmallEngine, serving

each_kind = pytest.mark.parametrize("kind", KINDS)


def happened(number: int, **fields: Any) -> Interaction:
    return Interaction(
        **{"identity": "crm:1", "type": "view", "interaction_id": f"i{number}", **fields}
    )


@each_kind
def test_each_has_its_result_in_order(kind: str) -> None:
    with serving() as served, connected(kind, target_of(served)) as client:
        results = list(client.stream_interactions(map(happened, range(1_500))))
        assert [one.interaction_id for one in results] == [f"i{n}" for n in range(1_500)]
        assert {one.status for one in results} == {"recorded"}
        assert len(served.engine.small_store.seen) == 1_500


@each_kind
def test_nothing_is_a_stream_too(kind: str) -> None:
    with serving() as served, connected(kind, target_of(served)) as client:
        assert list(client.stream_interactions([])) == []


@each_kind
def test_a_malformed_one_is_rejected_alone(kind: str) -> None:
    with serving() as served, connected(kind, target_of(served)) as client:
        given = [happened(0), happened(1, identity="nobody"), happened(2), happened(0)]
        results = list(client.stream_interactions(given))
    assert [one.status for one in results] == ["recorded", "rejected", "recorded", "duplicate"]
    assert results[1].message.startswith("identity: must be a namespace")


@each_kind
def test_what_is_there_is_sent_before_the_next_one_comes(kind: str) -> None:
    heard = threading.Event()

    def slowly() -> Iterator[Interaction]:
        yield happened(0)
        if kind == "threads":
            assert heard.wait(20)
        yield happened(1)

    with serving() as served, connected(kind, target_of(served)) as client:
        stream = client.stream_interactions(slowly())
        assert next(stream).interaction_id == "i0"
        heard.set()
        assert [one.interaction_id for one in stream] == ["i1"]


@each_kind
def test_whoever_does_not_read_is_not_read_from(kind: str) -> None:
    taken: list[int] = []

    def endless() -> Iterator[Interaction]:
        for number in itertools.count():
            taken.append(number)
            yield happened(number)

    with serving() as served, connected(kind, target_of(served)) as client:
        stream = client.stream_interactions(endless(), ahead=10, max_batch=5)
        for _ in range(7):
            next(stream)
        assert len(taken) <= 10 + 10 + 1
        stream.close()


@each_kind
def test_messages_the_store_could_not_take_are_sent_again(kind: str) -> None:
    troubles = [errors.Unavailable("away"), errors.Unavailable("away")]
    with (
        serving_troubled(*troubles) as (served, engine),
        connected(kind, target_of(served)) as client,
    ):
        results = list(client.stream_interactions(map(happened, range(50)), max_batch=10))
    assert [one.interaction_id for one in results] == [f"i{n}" for n in range(50)]
    assert engine.small_store.seen == {f"i{n}" for n in range(50)}
    assert {one.status for one in results} <= {"recorded", "duplicate"}


@each_kind
def test_a_server_that_stops_and_comes_back_has_all_of_them_once(kind: str) -> None:
    engine = SmallEngine()
    back = threading.Event()
    with serving(engine) as served:
        port = served.port
        with connected(kind, target_of(served)) as client:
            stream = client.stream_interactions(map(happened, range(3_000)), ahead=100)
            results = [next(stream) for _ in range(500)]
            served.server.stop(5)

            def start() -> None:
                with serving(engine, listen=f"127.0.0.1:{port}"):
                    back.wait(30)

            second = threading.Thread(target=start)
            second.start()
            results += stream
            back.set()
            second.join()
    assert [one.interaction_id for one in results] == [f"i{n}" for n in range(3_000)]
    assert len(engine.small_store.seen) == 3_000


@each_kind
def test_a_server_that_stays_away_is_told_after_the_timeout(kind: str) -> None:
    with serving() as served:
        target = target_of(served)
    with connected(kind, target) as client:
        stream = client.stream_interactions([happened(0)], timeout=0.3)
        with pytest.raises(Unavailable, match=f"no server answers at {target}"):
            list(stream)


@each_kind
def test_an_error_nobody_foresaw_is_not_repeated(kind: str) -> None:
    with (
        serving_troubled(ZeroDivisionError("a bug")) as (served, engine),
        connected(kind, target_of(served)) as client,
    ):
        with pytest.raises(Internal, match="internal error"):
            list(client.stream_interactions([happened(0)]))
        assert engine.calls == 1


@each_kind
def test_a_stream_beyond_the_cap_waits_for_its_place(kind: str) -> None:
    hold = threading.Event()

    def waiting() -> Iterator[Interaction]:
        yield happened(0)
        hold.wait(30)

    with serving(max_streams=1) as served, connected("threads", target_of(served)) as first:
        stream = first.stream_interactions(waiting())
        next(stream)
        with connected(kind, target_of(served)) as client:
            with pytest.raises((Exhausted, Unavailable)):  # grpc.aio may lose why
                list(client.stream_interactions([happened(1)], timeout=0.2))
            hold.set()
            assert list(stream) == []
            (result,) = client.stream_interactions([happened(1)])
    assert result.status == "recorded"


@each_kind
def test_a_source_that_is_quiet_for_long_goes_on_with_a_new_stream(kind: str) -> None:
    quiet = threading.Event()

    def slowly() -> Iterator[Interaction]:
        yield happened(0)
        if kind == "threads":
            assert quiet.wait(20)
        yield happened(1)

    with (
        serving(stream_idle_seconds=0.2) as served,
        connected(kind, target_of(served)) as client,
    ):
        stream = client.stream_interactions(slowly())
        assert next(stream).status == "recorded"
        if kind == "threads":
            assert served.lines("call_failed", wait_for=1)
        quiet.set()
        assert [one.interaction_id for one in stream] == ["i1"]


@each_kind
@pytest.mark.parametrize("error", [LookupError, grpc.RpcError])
def test_an_error_of_the_source_is_raised_after_the_results_before_it(
    kind: str, error: type[Exception]
) -> None:
    def broken() -> Iterator[Interaction]:
        yield happened(0)
        raise error("the queue is gone")

    with serving() as served, connected(kind, target_of(served)) as client:
        stream = client.stream_interactions(broken())
        assert next(stream).status == "recorded"
        with pytest.raises(error, match="the queue is gone"):
            next(stream)


@each_kind
def test_what_no_message_holds_is_named(kind: str) -> None:
    with serving() as served, connected(kind, target_of(served)) as client:
        stream = client.stream_interactions([happened(0), happened(1, properties={"x": object()})])
        next(stream)
        with pytest.raises(InvalidRequest, match=r'properties\["x"\]: no value of the API'):
            next(stream)


class Forgetful(SmallEngine):
    """Records, and fails to say so, now and then."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def record(self, interactions: Sequence[Happened]) -> Sequence[InteractionResult]:
        self.calls += 1
        results = super().record(interactions)
        if self.calls in (2, 4):
            raise errors.Unavailable("the outcome is unknown")
        return results


@each_kind
def test_what_was_recorded_without_a_word_is_a_duplicate_and_counts_once(kind: str) -> None:
    engine = Forgetful()
    with serving(engine) as served, connected(kind, target_of(served)) as client:
        results = list(client.stream_interactions(map(happened, range(40)), max_batch=4))
    assert [one.interaction_id for one in results] == [f"i{n}" for n in range(40)]
    assert {one.status for one in results} == {"recorded", "duplicate"}
    assert len(engine.small_store.seen) == 40


def test_answers_that_belong_to_nothing_are_an_internal_error() -> None:
    waiting = Unacknowledged(ahead=10, max_batch=10, patience=1.0)
    with pytest.raises(Internal, match="'7' instead of ''"):
        waiting.results(messages.StreamInteractionsResponse(correlation_id="7"))
    waiting.put(happened(0))
    assert waiting.message().correlation_id == "1"
    with pytest.raises(Internal, match="'1' instead of '1'"):
        waiting.results(messages.StreamInteractionsResponse(correlation_id="1"))


def test_messages_stay_small() -> None:
    waiting = Unacknowledged(ahead=100, max_batch=100, patience=1.0)
    for number in range(20):
        waiting.put(happened(number, properties={"text": "x" * 200_000}))
    assert [len(waiting.message().interactions) for _ in range(4)] == [5, 5, 5, 5]
    assert not waiting.to_send


@pytest.mark.parametrize("wrong", [{"ahead": 0}, {"max_batch": 0}, {"max_batch": 1_001}])
def test_bounds_are_checked_at_once(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="is"):
        Unacknowledged(**{"ahead": 10, "max_batch": 10, **wrong}, patience=1.0)
