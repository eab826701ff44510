"""StreamDecide over a real server: order, errors, deadlines, the cap, flow control, the end."""

from __future__ import annotations

import itertools
import queue
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2

from nba_engine._gen.nba.v1 import decision_service_pb2 as decisions
from nba_engine._gen.nba.v1.decision_service_pb2_grpc import DecisionServiceStub
from nba_engine.domain import Decision, DecisionRequest
from nba_engine.errors import DeadlineExceeded, Unavailable
from nba_engine.server.decisions import DecisionServicer
from tests.server.small import Details, Served, SmallEngine, serving

REQUEST = decisions.DecideRequest(
    identity="crm:42", placements=[decisions.PlacementRequest(placement="banner")]
)
PATH = "/nba.v1.DecisionService/StreamDecide"


@pytest.fixture
def served() -> Iterator[Served]:
    with serving() as one:
        yield one


class Talk:
    """An open stream: say something, hear the answer."""

    def __init__(
        self, served: Served, *, channel: grpc.Channel | None = None, **options: Any
    ) -> None:
        self._said: queue.SimpleQueue[decisions.StreamDecideRequest | None] = queue.SimpleQueue()
        self.call: Any = DecisionServiceStub(channel or served.channel).StreamDecide(
            iter(self._said.get, None), **options
        )

    def say(self, **fields: Any) -> None:
        self._said.put(decisions.StreamDecideRequest(**{"request": REQUEST, **fields}))

    def hear(self) -> decisions.StreamDecideResponse:
        response: decisions.StreamDecideResponse = next(self.call)
        return response

    def ask(self, **fields: Any) -> decisions.StreamDecideResponse:
        self.say(**fields)
        return self.hear()

    def fails(self) -> Details:
        """How it ended, which it must have done by an error."""
        with pytest.raises(grpc.RpcError) as caught:
            next(self.call)
        return Details(caught.value)

    def hang_up(self) -> None:
        self._said.put(None)


def reason_of(response: decisions.StreamDecideResponse) -> str:
    assert response.WhichOneof("result") == "status"
    (info,) = (
        error_details_pb2.ErrorInfo.FromString(detail.value)
        for detail in response.status.details
        if detail.Is(error_details_pb2.ErrorInfo.DESCRIPTOR)
    )
    return str(info.reason).removeprefix("ERROR_REASON_")


def test_answers_come_in_order_and_an_error_does_not_end_the_stream(served: Served) -> None:
    def wanted() -> Iterator[decisions.StreamDecideRequest]:
        for number in range(300):
            identity = f"crm:{number}" if number % 3 else "nobody"
            request = decisions.DecideRequest(identity=identity, placements=REQUEST.placements)
            yield decisions.StreamDecideRequest(correlation_id=str(number), request=request)

    answers = list(DecisionServiceStub(served.channel).StreamDecide(wanted()))
    assert [one.correlation_id for one in answers] == [str(number) for number in range(300)]
    assert [one.HasField("decision") for one in answers] == [bool(n % 3) for n in range(300)]
    assert {reason_of(one) for one in answers[::3]} == {"INVALID_REQUEST"}
    asked = [request.identity for request in served.engine.requests]
    assert asked == [f"crm:{number}" for number in range(300) if number % 3]


def test_each_decision_and_each_failure_is_one_line_of_the_log(served: Served) -> None:
    talk = Talk(served, metadata=(("x-request-id", "the-stream"),))
    talk.ask()
    talk.ask(request=decisions.DecideRequest())
    (line,) = served.lines("decision", wait_for=1)
    assert (line["request_id"], line["recommended"]) == ("the-stream", ["offer0.app"])
    (line,) = served.lines("call_failed", wait_for=1)
    assert (line["request_id"], line["method"]) == ("the-stream", "DecisionService/StreamDecide")
    assert line["fields"] == ["identity", "placements"]


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"correlation_id": "two words"}, "correlation_id"),
        ({"timeout": Duration()}, "timeout"),
        ({"timeout": Duration(seconds=-1)}, "timeout"),
    ],
)
def test_what_a_message_says_beside_its_request_is_checked(
    served: Served, fields: dict[str, Any], wrong: str
) -> None:
    talk = Talk(served)
    assert reason_of(talk.ask(**fields)) == "INVALID_REQUEST"
    (line,) = served.lines("call_failed", wait_for=1)
    assert line["fields"] == [wrong]
    assert talk.ask().HasField("decision")


def test_a_message_that_is_none_and_an_unforeseen_exception_do_not_end_the_stream(
    served: Served,
) -> None:
    bodies: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
    good = decisions.StreamDecideRequest(request=REQUEST).SerializeToString()
    for body in (b"\xff\xff\xff", good):
        bodies.put(body)
    method: Any = served.channel.stream_stream(
        PATH, response_deserializer=decisions.StreamDecideResponse.FromString
    )
    call = method(iter(bodies.get, None))
    assert reason_of(next(call)) == "INVALID_REQUEST"
    assert next(call).HasField("decision")
    served.engine.fails = ZeroDivisionError("a text for the log")
    bodies.put(good)
    answer = next(call)
    assert (reason_of(answer), answer.status.message) == ("INTERNAL", "internal error")
    served.engine.fails = None
    bodies.put(good)
    assert next(call).HasField("decision")
    bodies.put(None)
    assert list(call) == []


def test_an_answer_too_long_for_a_message_does_not_end_the_stream() -> None:
    wanted = [decisions.PlacementRequest(placement=name, slots=5) for name in ("banner", "inbox")]
    long = decisions.DecideRequest(identity="crm:42", placements=wanted)
    with serving(max_message_bytes=1024) as served:
        talk = Talk(served)
        assert reason_of(talk.ask(request=long)) == "EXHAUSTED"
        assert served.engine.withdrawn == ["d0"]  # nobody gets it
        assert talk.ask().HasField("decision")


def test_a_bug_between_the_messages_tells_the_client_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(_servicer: object, _body: bytes, _call: object) -> bytes:
        raise ZeroDivisionError("a text for the log")

    monkeypatch.setattr(DecisionServicer, "StreamDecide", broken)
    with serving() as served:
        talk = Talk(served)
        talk.say()
        found = talk.fails()
        assert (found.reason, found.message) == ("INTERNAL", "internal error")
        (line,) = served.lines("call_failed", wait_for=1)
    assert line["error_id"] == found.metadata["error_id"]
    assert line["message"] == "a text for the log"


def test_a_message_has_its_own_deadline_and_never_outlasts_the_stream(served: Served) -> None:
    before = time.monotonic()
    talk = Talk(served, timeout=50)
    talk.ask()
    talk.ask(timeout=Duration(seconds=20))
    talk.ask(timeout=Duration(seconds=10**11))
    default, own, stream = (deadline or 0.0 for deadline in served.engine.deadlines)
    after = time.monotonic()
    assert before + 1 <= default <= after + 1
    assert before + 20 <= own <= after + 20
    assert before + 30 < stream < after + 51


def test_the_deadline_of_the_stream_ends_it_and_its_place_is_free_again() -> None:
    with serving(max_streams=1) as served:
        talk = Talk(served, timeout=0.3)
        assert talk.ask().HasField("decision")
        with pytest.raises(grpc.RpcError, match="DEADLINE_EXCEEDED"):
            talk.hear()
        assert admitted(served).ask().HasField("decision")


def admitted(served: Served) -> Talk:
    """A stream that is let in: the place of one that just ended may take a moment to be free."""
    until = time.monotonic() + 10
    while True:
        talk = Talk(served)
        try:
            talk.ask()
        except grpc.RpcError:
            assert time.monotonic() < until
        else:
            return talk


def test_streams_above_the_cap_are_refused_and_told_when_to_come_again() -> None:
    with serving(max_streams=3) as served:
        talks = [Talk(served) for _ in range(3)]
        for talk in talks:
            talk.ask()
        surplus = [Talk(served) for _ in range(20)]
        for refused in surplus:
            found = refused.fails()
            assert (found.code, found.reason) == (
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                "TOO_MANY_STREAMS",
            )
            assert found.retry is not None
            assert found.metadata["max_streams"] == "3"
        assert len(served.lines("call_failed", wait_for=20)) == 20
        for talk in talks:
            assert talk.ask().HasField("decision")


@pytest.mark.parametrize("leave", [lambda talk: talk.hang_up(), lambda talk: talk.call.cancel()])
def test_who_leaves_makes_room_for_another(leave: Callable[[Talk], None]) -> None:
    with serving(max_streams=1) as served:
        for _ in range(5):
            leave(admitted(served))
        assert admitted(served).ask().HasField("decision")


def test_a_cap_of_zero_refuses_all() -> None:
    with serving(max_streams=0) as served:
        assert Talk(served).fails().reason == "TOO_MANY_STREAMS"
        DecisionServiceStub(served.channel).Decide(REQUEST)


class Gated(SmallEngine):
    """Decides for crm:slow when the gate opens, for others at once."""

    def __init__(self) -> None:
        super().__init__()
        self.entered = threading.Semaphore(0)
        self.gate = threading.Event()

    def decide(self, request: DecisionRequest, *, deadline: float | None = None) -> Decision:
        if request.identity == "crm:slow":
            self.entered.release()
            assert self.gate.wait(30)
        return super().decide(request, deadline=deadline)


SLOW = decisions.DecideRequest(identity="crm:slow", placements=REQUEST.placements)


def test_open_and_busy_streams_take_no_thread_of_the_other_calls() -> None:
    engine = Gated()
    with serving(engine, threads=1, max_streams=20, stream_threads=20) as served:
        talks = [Talk(served) for _ in range(20)]
        for talk in talks:
            talk.say(request=SLOW)
        for _ in talks:
            assert engine.entered.acquire(timeout=20)
        assert DecisionServiceStub(served.channel).Decide(REQUEST, timeout=20).decision.decision_id
        engine.gate.set()
        assert all(talk.hear().HasField("decision") for talk in talks)


def test_only_as_many_streams_decide_at_once_as_there_are_turns() -> None:
    engine = Gated()
    with serving(engine, stream_threads=1) as served:
        first, second = Talk(served), Talk(served)
        first.say(request=SLOW, timeout=Duration(seconds=40))
        assert engine.entered.acquire(timeout=20)
        late = second.ask(timeout=Duration(nanos=50_000_000))  # its turn did not come in time
        assert reason_of(late) == "DEADLINE_EXCEEDED"
        engine.gate.set()
        assert first.hear().HasField("decision")
        assert second.ask().HasField("decision")
    assert len(engine.requests) == 2


def test_an_idle_stream_is_ended_and_says_so() -> None:
    with serving(max_streams=1, stream_idle_seconds=0.75) as served:
        talk = Talk(served)
        assert talk.ask().HasField("decision")
        found = talk.fails()
        assert (found.code, found.reason) == (grpc.StatusCode.DEADLINE_EXCEEDED, "STREAM_IDLE")
        assert found.metadata["idle_seconds"] == "0.75"
        (line,) = served.lines("call_failed", wait_for=1)
        assert line["reason"] == "ERROR_REASON_STREAM_IDLE"
        assert admitted(served).call.is_active()


def test_a_decision_that_takes_long_is_no_idleness() -> None:
    engine = Gated()
    with serving(engine, stream_idle_seconds=0.5) as served:
        slow, idle = Talk(served), Talk(served)
        slow.say(request=SLOW, timeout=Duration(seconds=40))
        assert engine.entered.acquire(timeout=20)
        assert idle.fails().reason == "STREAM_IDLE"
        assert Talk(served).fails().reason == "STREAM_IDLE"  # twice as long
        engine.gate.set()
        assert slow.hear().HasField("decision")


# a client that takes next to nothing in before it is asked to read
NO_ROOM = (("grpc.http2.lookahead_bytes", 1), ("grpc.http2.bdp_probe", 0))


class Unread(Talk):
    """A stream over a connection of its own, whose answers wait on the server until they are read."""

    def __init__(self, served: Served) -> None:
        self.channel = grpc.insecure_channel(f"127.0.0.1:{served.port}", options=NO_ROOM)
        super().__init__(served, channel=self.channel)


def test_a_client_that_does_not_read_is_not_read_from(served: Served) -> None:
    unread, other = Unread(served), Talk(served)
    for number in range(100):
        request = decisions.DecideRequest(identity="crm:unread", placements=REQUEST.placements)
        unread.say(correlation_id=str(number), request=request)
    for _ in range(300):  # time enough for a server that reads ahead
        other.ask()
    decided = [r for r in served.engine.requests if r.identity == "crm:unread"]
    assert len(decided) <= 2
    assert [unread.hear().correlation_id for _ in range(100)] == [str(n) for n in range(100)]
    unread.channel.close()


def test_a_client_that_never_reads_loses_its_place() -> None:
    with serving(max_streams=1, stream_idle_seconds=0.75) as served:
        unread = Unread(served)
        for _ in range(10):
            unread.say()
        (line,) = served.lines("call_failed", wait_for=1)
        assert line["reason"] == "ERROR_REASON_STREAM_IDLE"
        assert admitted(served).call.is_active()
        with pytest.raises(grpc.RpcError, match="CANCELLED"):
            list(unread.call)
        unread.channel.close()


def test_stopping_ends_idle_streams_at_once_and_busy_ones_after_their_answer() -> None:
    engine = Gated()
    with serving(engine) as served:
        idle, busy = Talk(served), Talk(served)
        idle.ask()
        busy.say(request=SLOW)
        busy.say()
        assert engine.entered.acquire(timeout=20)
        stopping = threading.Thread(target=served.server.stop, args=(30,))
        stopping.start()
        found = idle.fails()
        assert (found.code, found.reason) == (grpc.StatusCode.UNAVAILABLE, "SERVER_STOPPING")
        assert found.retry is not None
        engine.gate.set()
        assert busy.hear().HasField("decision")
        assert busy.fails().reason == "SERVER_STOPPING"
        stopping.join(20)
        assert not stopping.is_alive()
    # what was not answered was not decided
    assert [request.identity for request in engine.requests] == ["crm:42", "crm:slow"]


def test_a_stream_that_outlasts_the_grace_is_cancelled() -> None:
    engine = Gated()
    with serving(engine) as served:
        talk = Talk(served)
        talk.say(request=SLOW)
        assert engine.entered.acquire(timeout=20)
        served.server.stop(0.05)
        with pytest.raises(grpc.RpcError):
            talk.hear()
        engine.gate.set()


def test_errors_of_the_engine_come_with_their_details(served: Served) -> None:
    talk = Talk(served)
    for error, reason in (
        (Unavailable("the store is away"), "UNAVAILABLE"),
        (DeadlineExceeded("no time left"), "DEADLINE_EXCEEDED"),
    ):
        served.engine.fails = error
        assert reason_of(talk.ask()) == reason
    served.engine.fails = None
    assert talk.ask().HasField("decision")
    assert sum(1 for _ in itertools.islice(served.lines("call_failed", wait_for=2), 3)) == 2
