"""StreamInteractions over a real server: order, group commit, rejections, the window, the end."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import error_details_pb2

from nba_engine._gen.nba.v1 import interaction_pb2
from nba_engine._gen.nba.v1 import interaction_service_pb2 as messages
from nba_engine._gen.nba.v1.decision_service_pb2_grpc import DecisionServiceStub
from nba_engine._gen.nba.v1.interaction_service_pb2_grpc import InteractionServiceStub
from nba_engine.domain import Interaction, InteractionResult
from nba_engine.errors import Unavailable
from nba_engine.server.recording import MAX_AHEAD
from tests.server.small import Details, Served, SmallEngine, serving
from tests.server.test_streams import NO_ROOM, REQUEST

PATH = "/nba.v1.InteractionService/StreamInteractions"
RECORDED, DUPLICATE, REJECTED = 1, 2, 3


class Recorder(SmallEngine):
    """Notes how many interactions each call of `record` had; records when the gate is open."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[int] = []
        self.entered = threading.Semaphore(0)
        self.gate = threading.Event()
        self.gate.set()

    def record(self, interactions: Sequence[Interaction]) -> Sequence[InteractionResult]:
        self.entered.release()
        assert self.gate.wait(30)
        self.calls.append(len(interactions))
        return super().record(interactions)


@pytest.fixture
def served() -> Iterator[Served]:
    with serving(Recorder()) as one:
        yield one


def happened(number: int | str, **fields: Any) -> interaction_pb2.Interaction:
    given = {
        "interaction_id": f"i{number}",
        "identity": "crm:42",
        "type": "view",
        "interaction_time": Timestamp(seconds=1_700_000_000),
        **fields,
    }
    return interaction_pb2.Interaction(**given)


class Talk:
    """An open stream: say something, hear what became of it."""

    def __init__(
        self, served: Served, *, channel: grpc.Channel | None = None, **options: Any
    ) -> None:
        self._said: queue.SimpleQueue[messages.StreamInteractionsRequest | None] = (
            queue.SimpleQueue()
        )
        self.call: Any = InteractionServiceStub(channel or served.channel).StreamInteractions(
            iter(self._said.get, None), **options
        )

    def say(self, *interactions: interaction_pb2.Interaction, correlation_id: str = "") -> None:
        self._said.put(
            messages.StreamInteractionsRequest(
                correlation_id=correlation_id, interactions=interactions
            )
        )

    def hear(self) -> messages.StreamInteractionsResponse:
        response: messages.StreamInteractionsResponse = next(self.call)
        return response

    def ask(self, *interactions: interaction_pb2.Interaction) -> list[int]:
        self.say(*interactions)
        return [one.status for one in self.hear().results]

    def fails(self) -> Details:
        with pytest.raises(grpc.RpcError) as caught:
            list(self.call)
        return Details(caught.value)

    def hang_up(self) -> None:
        self._said.put(None)


def test_each_item_is_acknowledged_in_order(served: Served) -> None:
    talk = Talk(served)
    for number in range(0, 300, 3):
        items = [happened(number), happened(number + 1), happened(number + 2)]
        talk.say(*items, correlation_id=str(number))
    talk.hang_up()
    answers = list(talk.call)
    assert [one.correlation_id for one in answers] == [str(n) for n in range(0, 300, 3)]
    results = [result for one in answers for result in one.results]
    assert [one.interaction_id for one in results] == [f"i{n}" for n in range(300)]
    assert {one.status for one in results} == {RECORDED}
    assert len(served.engine.small_store.seen) == 300


def test_a_repeat_is_a_duplicate_on_this_stream_and_the_next(served: Served) -> None:
    talk = Talk(served)
    assert talk.ask(happened(1), happened(1)) == [RECORDED, DUPLICATE]
    assert talk.ask(happened(1)) == [DUPLICATE]
    assert Talk(served).ask(happened(1), happened(2)) == [DUPLICATE, RECORDED]


def test_a_malformed_item_is_rejected_alone_and_says_why(served: Served) -> None:
    talk = Talk(served)
    wrong = happened(2, identity="nobody", type="")
    talk.say(happened(1), wrong, happened(3))
    first, second, third = talk.hear().results
    assert (first.status, second.status, third.status) == (RECORDED, REJECTED, RECORDED)
    assert second.interaction_id == "i2"
    assert second.message == (
        "identity: must be a namespace, a colon and an id, such as crm:42; type: required"
    )
    assert talk.ask(wrong) == [REJECTED]
    assert talk.ask(happened(4)) == [RECORDED]
    assert served.engine.small_store.seen == {"i1", "i3", "i4"}


def test_what_is_wrong_with_a_message_is_its_own_affair(served: Served) -> None:
    bodies: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
    good = messages.StreamInteractionsRequest(interactions=[happened(1)], correlation_id="good")
    many = messages.StreamInteractionsRequest(interactions=[happened(n) for n in range(1_001)])
    odd = messages.StreamInteractionsRequest(interactions=[happened(2)], correlation_id="a b")
    empty = messages.StreamInteractionsRequest(correlation_id="empty")
    for message in (many, odd, empty, good):
        bodies.put(message.SerializeToString())
    bodies.put(b"\xff\xff")
    bodies.put(None)
    method: Any = served.channel.stream_stream(
        PATH, response_deserializer=messages.StreamInteractionsResponse.FromString
    )
    answers = list(method(iter(bodies.get, None)))
    assert [one.HasField("status") for one in answers] == [True, True, True, False, True]
    assert [reason_of_status(answers[at]) for at in (0, 1, 2, 4)] == ["INVALID_REQUEST"] * 4
    assert [one.correlation_id for one in answers[2:4]] == ["empty", "good"]
    assert served.engine.small_store.seen == {"i1"}
    found = [line["fields"] for line in served.lines("call_failed", wait_for=4)]
    assert found == [["interactions"], ["correlation_id"], ["interactions"], ["request"]]


def reason_of_status(response: messages.StreamInteractionsResponse) -> str:
    (info,) = (
        error_details_pb2.ErrorInfo.FromString(detail.value)
        for detail in response.status.details
        if detail.Is(error_details_pb2.ErrorInfo.DESCRIPTOR)
    )
    return str(info.reason).removeprefix("ERROR_REASON_")


def test_a_store_that_is_away_is_told_per_message_and_the_stream_goes_on(served: Served) -> None:
    talk = Talk(served)
    assert talk.ask(happened(1)) == [RECORDED]
    served.engine.fails = Unavailable("the store is away")
    talk.say(happened(2), happened(3, identity=""))
    answer = talk.hear()
    assert (reason_of_status(answer), len(answer.results)) == ("UNAVAILABLE", 0)
    assert talk.ask(happened(4, identity="")) == [REJECTED]  # no store is needed for that
    served.engine.fails = ZeroDivisionError("a text for the log")
    talk.say(happened(2))
    answer = talk.hear()
    assert (reason_of_status(answer), answer.status.message) == ("INTERNAL", "internal error")
    served.engine.fails = None
    assert talk.ask(happened(2)) == [RECORDED]


def test_what_arrives_during_a_commit_is_committed_together_next(served: Served) -> None:
    engine = served.engine
    assert isinstance(engine, Recorder)
    engine.gate.clear()
    talk = Talk(served)
    talk.say(happened("first"))
    assert engine.entered.acquire(timeout=20)
    for number in range(100):
        talk.say(happened(number))
    other = DecisionServiceStub(served.channel)
    for _ in range(200):  # time enough to read them
        other.Decide(REQUEST)
    engine.gate.set()
    talk.hang_up()
    assert len(list(talk.call)) == 101
    assert engine.calls[0] == 1
    assert sum(engine.calls) == 101
    assert len(engine.calls) < 20


def test_no_commit_is_larger_than_a_call_may_be(served: Served) -> None:
    engine = served.engine
    assert isinstance(engine, Recorder)
    engine.gate.clear()
    talk = Talk(served)
    for start in range(0, 4_200, 600):
        talk.say(*(happened(number) for number in range(start, start + 600)))
    assert engine.entered.acquire(timeout=20)
    engine.gate.set()
    talk.hang_up()
    assert sum(len(one.results) for one in talk.call) == 4_200
    assert max(engine.calls) <= 1_000


def test_a_client_that_does_not_read_is_read_from_as_far_as_the_window_goes() -> None:
    engine = Recorder()
    with serving(engine) as served:
        channel = grpc.insecure_channel(f"127.0.0.1:{served.port}", options=NO_ROOM)
        talk = Talk(served, channel=channel)
        total = 4 * MAX_AHEAD
        for number in range(total):
            talk.say(happened(number))
        other = DecisionServiceStub(served.channel)
        for _ in range(300):  # time enough for a server that reads on
            other.Decide(REQUEST)
        assert len(engine.small_store.seen) <= 2 * MAX_AHEAD + 2
        found = [result.interaction_id for _ in range(total) for result in talk.hear().results]
        assert found == [f"i{number}" for number in range(total)]
        channel.close()


def test_both_kinds_of_streams_count_together(served: Served) -> None:
    with serving(max_streams=1) as one:
        talk = Talk(one)
        assert talk.ask(happened(1)) == [RECORDED]
        refused = DecisionServiceStub(one.channel).StreamDecide(iter(()))
        with pytest.raises(grpc.RpcError) as caught:
            next(refused)
        assert Details(caught.value).reason == "TOO_MANY_STREAMS"
        found = Talk(one).fails()
        assert (found.code, found.reason) == (
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            "TOO_MANY_STREAMS",
        )
        (_, line) = one.lines("call_failed", wait_for=2)
        assert line["method"] == "InteractionService/StreamInteractions"


@pytest.mark.parametrize("how", ["hang_up", "cancel"])
def test_who_leaves_makes_room_for_another(how: str) -> None:
    with serving(max_streams=1) as served:
        for number in range(5):
            talk = admitted(served, number)
            talk.hang_up() if how == "hang_up" else talk.call.cancel()
        admitted(served, 9)


def admitted(served: Served, number: int) -> Talk:
    """A stream that is let in: the place of one that just ended may take a moment to be free."""
    until = time.monotonic() + 10
    while True:
        talk = Talk(served)
        try:
            talk.ask(happened(number))
        except grpc.RpcError:
            assert time.monotonic() < until
        else:
            return talk


def test_an_idle_stream_is_ended_and_a_slow_commit_is_no_idleness() -> None:
    engine = Recorder()
    with serving(engine, stream_idle_seconds=0.5) as served:
        engine.gate.clear()
        slow, idle = Talk(served), Talk(served)
        slow.say(happened(1))
        assert engine.entered.acquire(timeout=20)
        found = idle.fails()
        assert (found.code, found.reason) == (grpc.StatusCode.DEADLINE_EXCEEDED, "STREAM_IDLE")
        engine.gate.set()
        assert [one.status for one in slow.hear().results] == [RECORDED]


def test_a_client_that_never_reads_loses_its_place() -> None:
    with serving(stream_idle_seconds=0.5) as served:
        channel = grpc.insecure_channel(f"127.0.0.1:{served.port}", options=NO_ROOM)
        talk = Talk(served, channel=channel)
        for number in range(20):
            talk.say(happened(number))
        (line,) = served.lines("call_failed", wait_for=1)
        assert line["reason"] == "ERROR_REASON_STREAM_IDLE"
        with pytest.raises(grpc.RpcError, match="CANCELLED"):
            list(talk.call)
        channel.close()


def test_stopping_acknowledges_what_is_being_committed_and_nothing_after_it() -> None:
    engine = Recorder()
    with serving(engine) as served:
        engine.gate.clear()
        idle, busy = Talk(served), Talk(served)
        busy.say(happened(1))
        assert engine.entered.acquire(timeout=20)
        busy.say(happened(2))
        stopping = threading.Thread(target=served.server.stop, args=(30,))
        stopping.start()
        found = idle.fails()
        assert (found.code, found.reason) == (grpc.StatusCode.UNAVAILABLE, "SERVER_STOPPING")
        engine.gate.set()
        assert [one.interaction_id for one in busy.hear().results] == ["i1"]
        assert busy.fails().reason == "SERVER_STOPPING"
        stopping.join(20)
        assert not stopping.is_alive()
    assert engine.small_store.seen == {"i1"}


def test_reasons_that_do_not_fit_into_a_message_are_left_out() -> None:
    with serving(max_message_bytes=2_048) as served:
        wrong = [happened(n, identity="x", type="") for n in range(30)]
        talk = Talk(served)
        talk.say(*wrong)
        results = talk.hear().results
        assert [one.status for one in results] == [REJECTED] * 30
        assert {one.message for one in results} == {""}


def test_a_bug_between_the_messages_tells_the_client_nothing(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("a text for the log")

    monkeypatch.setattr("nba_engine.server.recording.write_result", broken)
    talk = Talk(served)
    talk.say(happened(1))
    found = talk.fails()
    assert (found.reason, found.message) == ("INTERNAL", "internal error")
    monkeypatch.undo()
    assert Talk(served).ask(happened(1)) == [DUPLICATE]
