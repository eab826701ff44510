"""BatchDecide over a real server: an item's failure is its own, the deadline is that of all."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from google.rpc.error_details_pb2 import RetryInfo
from grpc_health.v1 import health_pb2, health_pb2_grpc

from nba_engine._gen.nba.v1 import decision_service_pb2 as decisions
from nba_engine._gen.nba.v1.decision_service_pb2_grpc import DecisionServiceStub
from nba_engine.domain import Decision, DecisionRequest
from nba_engine.errors import DeadlineExceeded, Exhausted
from tests.server.small import Details, Served, SmallEngine, serving

BANNER = decisions.PlacementRequest(placement="banner")


@pytest.fixture
def served() -> Iterator[Served]:
    with serving() as one:
        yield one


def request(identity: str, **more: Any) -> decisions.DecideRequest:
    return decisions.DecideRequest(identity=identity, placements=[BANNER], **more)


def batch(
    served: Served, *requests: decisions.DecideRequest, **options: Any
) -> Sequence[decisions.BatchDecideResult]:
    message = decisions.BatchDecideRequest(requests=requests)
    return DecisionServiceStub(served.channel).BatchDecide(message, **options).results


def info(result: decisions.BatchDecideResult) -> error_details_pb2.ErrorInfo:
    assert result.WhichOneof("result") == "status"
    found = error_details_pb2.ErrorInfo()
    assert sum(detail.Unpack(found) for detail in result.status.details) == 1
    return found


def test_items_are_decided_in_order(served: Served) -> None:
    results = batch(served, *(request(f"crm:{n}", include_funnel=True) for n in range(256)))
    assert [one.decision.decision_id for one in results] == [f"d{n}" for n in range(256)]
    assert [r.identity for r in served.engine.requests] == [f"crm:{n}" for n in range(256)]
    assert all(one.decision.funnel for one in results)


@pytest.mark.parametrize("items", [0, 257])
def test_none_and_too_many_are_refused_as_a_whole(served: Served, items: int) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        batch(served, *[request("crm:1")] * items)
    assert Details(caught.value).fields == ["requests"]
    assert served.engine.requests == []


def test_an_items_failure_is_its_own_and_has_the_details_of_decide(served: Served) -> None:
    bad = decisions.DecideRequest(identity="nobody", request_id="two words")
    metadata = (("x-request-id", "the-batch"),)
    first, second, third = batch(served, request("crm:1"), bad, request("crm:3"), metadata=metadata)
    assert first.HasField("decision")
    assert third.HasField("decision")
    with pytest.raises(grpc.RpcError) as caught:
        DecisionServiceStub(served.channel).Decide(bad, metadata=metadata)
    trailing: Any = caught.value.trailing_metadata()
    assert second.status.SerializeToString() == dict(trailing)["grpc-status-details-bin"]


def test_each_item_is_one_line_of_the_log_under_the_id_of_the_call(served: Served) -> None:
    bad = decisions.DecideRequest(placements=[BANNER])
    metadata = (("x-request-id", "the-batch"),)
    batch(served, request("crm:1", request_id="mine"), bad, request("crm:3"), metadata=metadata)
    lines = served.lines("decision", wait_for=2)
    assert [line["request_id"] for line in lines] == ["the-batch", "the-batch"]
    assert lines[0]["recommended"] == ["offer0.app"]
    (line,) = served.lines("call_failed", wait_for=1)
    assert (line["method"], line["item"]) == ("DecisionService/BatchDecide", 1)
    assert (line["request_id"], line["fields"]) == ("the-batch", ["identity"])


class Failing(SmallEngine):
    """Fails for customers named after an error."""

    errors: tuple[Exception, ...] = (
        DeadlineExceeded("no time left"),
        Exhausted("the disk is full"),
        ZeroDivisionError("a text for the log"),
    )

    def decide(self, request: DecisionRequest, *, deadline: float | None = None) -> Decision:
        for error in self.errors:
            if request.identity == f"error:{type(error).__name__}":
                raise error
        return super().decide(request, deadline=deadline)


def test_whatever_the_engine_raises_concerns_one_item() -> None:
    with serving(Failing()) as served:
        wrong = [request(f"error:{type(error).__name__}") for error in Failing.errors]
        results = batch(served, request("crm:1"), *wrong, request("crm:2"))
        assert [one.WhichOneof("result") for one in results] == [
            "decision", "status", "status", "status", "decision"
        ]  # fmt: skip
        reasons = [info(one).reason.removeprefix("ERROR_REASON_") for one in results[1:4]]
        assert reasons == ["DEADLINE_EXCEEDED", "EXHAUSTED", "INTERNAL"]
        assert results[3].status.message == "internal error"
        line = served.lines("call_failed", wait_for=3)[-1]
        assert (line["item"], line["exception"]) == (3, "ZeroDivisionError")
        assert line["error_id"] == info(results[3]).metadata["error_id"]


def test_all_items_share_the_deadline_of_the_call(served: Served) -> None:
    batch(served, request("crm:1"), request("crm:2"), timeout=30)
    one, other = served.engine.deadlines
    assert one == other is not None


def test_without_a_deadline_each_item_has_the_servers_default(served: Served) -> None:
    batch(served, request("crm:1"), request("crm:2"))
    one, other = (deadline or 0.0 for deadline in served.engine.deadlines)
    assert one < other < one + 30


class Gated(SmallEngine):
    """The first decision waits for the gate."""

    def __init__(self) -> None:
        super().__init__()
        self.entered = threading.Event()
        self.gate = threading.Event()

    def decide(self, request: DecisionRequest, *, deadline: float | None = None) -> Decision:
        self.entered.set()
        assert self.gate.wait(30)
        return super().decide(request, deadline=deadline)


def test_when_the_caller_has_gone_the_rest_is_left() -> None:
    engine = Gated()
    with serving(engine, threads=1) as served:
        message = decisions.BatchDecideRequest(requests=[request(f"crm:{n}") for n in range(100)])
        call: Any = DecisionServiceStub(served.channel).BatchDecide.future(message)
        assert engine.entered.wait(30)
        call.cancel()
        # the server learns of it in the order of the connection: before the probe, which it answers
        probe: Any = health_pb2_grpc.HealthStub(served.channel)
        probe.Check(health_pb2.HealthCheckRequest(), timeout=30)
        engine.gate.set()
        DecisionServiceStub(served.channel).Decide(request("crm:last"), timeout=30)
    assert [r.identity for r in engine.requests] == ["crm:0", "crm:last"]


def test_what_would_not_fit_into_the_response_is_not_decided() -> None:
    with serving(max_message_bytes=40_000) as served:
        wanted = decisions.PlacementRequest(placement="banner", slots=5)
        long = decisions.DecideRequest(identity="crm:1", placements=[wanted], include_funnel=True)
        results = batch(served, *[long] * 60)
    decided = [one for one in results if one.HasField("decision")]
    left = results[len(decided) :]
    assert 0 < len(decided) == len(served.engine.requests) < 60
    assert {info(one).reason for one in left} == {"ERROR_REASON_EXHAUSTED"}


def test_an_answer_longer_than_a_message_is_a_failure_of_its_item() -> None:
    wanted = [decisions.PlacementRequest(placement=name, slots=5) for name in ("banner", "inbox")]
    long = decisions.DecideRequest(identity="crm:42", placements=wanted)
    with serving() as served:
        assert batch(served, long)[0].ByteSize() > 1024
    with serving(max_message_bytes=1024) as served:
        (result,) = batch(served, long)
        assert info(result).reason == "ERROR_REASON_EXHAUSTED"
        assert not any(one.Is(RetryInfo.DESCRIPTOR) for one in result.status.details)
        assert served.engine.withdrawn == ["d0"]  # nobody gets it


def test_under_a_request_id_an_answer_too_long_is_kept_for_a_call_of_its_own() -> None:
    wanted = [decisions.PlacementRequest(placement=name, slots=5) for name in ("banner", "inbox")]
    long = decisions.DecideRequest(identity="crm:42", placements=wanted, request_id="q1")
    with serving(max_message_bytes=1024) as served:
        (result,) = batch(served, long)
        assert info(result).reason == "ERROR_REASON_EXHAUSTED"
        assert served.engine.withdrawn == []
