from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from nba_engine import errors
from nba_engine._gen.nba.v1 import decision_service_pb2 as decisions
from nba_engine._gen.nba.v1.decision_service_pb2_grpc import DecisionServiceStub
from nba_engine._gen.nba.v1.profile_service_pb2 import GetProfileRequest
from nba_engine._gen.nba.v1.profile_service_pb2_grpc import ProfileServiceStub
from tests.server.small import Details, Served, serving

GOOD = decisions.DecideRequest(
    identity="crm:42", placements=[decisions.PlacementRequest(placement="banner")]
)


@pytest.fixture
def served() -> Iterator[Served]:
    with serving() as one:
        yield one


def failure(served: Served, request: decisions.DecideRequest = GOOD) -> Details:
    with pytest.raises(grpc.RpcError) as caught:
        DecisionServiceStub(served.channel).Decide(request)
    return Details(caught.value)


RAISED = {
    "INVALID_REQUEST": (
        errors.InvalidRequest([errors.Violation(field="identity", description="odd")]),
        grpc.StatusCode.INVALID_ARGUMENT,
    ),
    "FAILED_PRECONDITION": (
        errors.FailedPrecondition("not now"),
        grpc.StatusCode.FAILED_PRECONDITION,
    ),
    "CATALOG_CHANGED": (
        errors.FailedPrecondition("another one", reason="CATALOG_CHANGED"),
        grpc.StatusCode.FAILED_PRECONDITION,
    ),
    "UNAVAILABLE": (errors.Unavailable("the store is away"), grpc.StatusCode.UNAVAILABLE),
    "STAGE_FAILED": (
        errors.Unavailable("stage 'x' failed", metadata={"stage": "x"}),
        grpc.StatusCode.UNAVAILABLE,
    ),
    "EXHAUSTED": (errors.Exhausted("the disk is full"), grpc.StatusCode.RESOURCE_EXHAUSTED),
    "DEADLINE_EXCEEDED": (
        errors.DeadlineExceeded("no time left"),
        grpc.StatusCode.DEADLINE_EXCEEDED,
    ),
    "INTERNAL": (ZeroDivisionError("a text for the log"), grpc.StatusCode.INTERNAL),
}


@pytest.mark.parametrize("reason", sorted(RAISED))
def test_an_error_reaches_the_client_with_its_code_and_reason(served: Served, reason: str) -> None:
    served.engine.fails, code = RAISED[reason]
    found = failure(served)
    assert (found.code, found.reason) == (code, reason)
    assert found.metadata["request_id"]
    assert (found.retry is not None) == (code.name in ("UNAVAILABLE", "RESOURCE_EXHAUSTED"))


def test_the_reply_says_when_to_try_again(served: Served) -> None:
    error = errors.Unavailable("the store is away")
    error.retry_after = 2.5
    served.engine.fails = error
    assert failure(served).retry == 2.5


def test_an_unforeseen_exception_stays_in_the_log_under_an_error_id(served: Served) -> None:
    served.engine.fails = ZeroDivisionError("a text for the log")
    found = failure(served)
    assert (found.code, found.message) == (grpc.StatusCode.INTERNAL, "internal error")
    (line,) = served.lines("call_failed", wait_for=1)
    assert line["error_id"] == found.metadata["error_id"]
    assert (line["exception"], line["message"]) == ("ZeroDivisionError", "a text for the log")
    assert "small.py" in line["stack"][-1]


def test_an_error_class_that_the_api_has_no_word_for_is_internal(served: Served) -> None:
    served.engine.fails = errors.RenderFailed("{{ customer.name }}")
    found = failure(served)
    assert (found.reason, found.message) == ("INTERNAL", "internal error")
    served.engine.fails = errors.NotFound("a thing nobody asked for")
    assert failure(served).reason == "INTERNAL"


def test_a_time_on_a_store_that_is_not_simulated_has_its_own_reason(served: Served) -> None:
    request = decisions.DecideRequest(time=Timestamp(seconds=1), seed=7)
    request.MergeFrom(GOOD)
    found = failure(served, request)
    assert (found.reason, found.fields) == ("TIME_NOT_ALLOWED", ["time", "seed"])
    assert served.engine.requests == []


def test_an_unknown_decision_is_named(served: Served) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        DecisionServiceStub(served.channel).ExplainDecision(
            decisions.ExplainDecisionRequest(decision_id="nope")
        )
    found = Details(caught.value)
    assert (found.code, found.reason) == (grpc.StatusCode.NOT_FOUND, "DECISION_NOT_FOUND")
    assert found.metadata["decision_id"] == "nope"


def test_an_unknown_customer_is_named(served: Served) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        ProfileServiceStub(served.channel).GetProfile(GetProfileRequest(identity="crm:1"))
    found = Details(caught.value)
    assert (found.code, found.reason) == (grpc.StatusCode.NOT_FOUND, "CUSTOMER_NOT_FOUND")
    assert found.metadata["identity"] == "crm:1"


def test_a_body_that_is_no_message_is_the_callers_mistake(served: Served) -> None:
    call: Any = served.channel.unary_unary("/nba.v1.DecisionService/Decide")
    with pytest.raises(grpc.RpcError) as caught:
        call(b"\xff\xff\xff")
    found = Details(caught.value)
    assert (found.code, found.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")


def test_a_thousand_wrong_fields_still_fit_into_the_answer(served: Served) -> None:
    served.engine.fails = errors.InvalidRequest(
        [
            errors.Violation(field=f"interactions[{n}].identity", description="required")
            for n in range(1000)
        ]
    )
    found = failure(served)
    assert len(found.fields) > 50
    assert found.descriptions[-1] == f"and {1000 - len(found.fields) + 1} more"


def test_one_enormous_violation_does_not_break_the_answer(served: Served) -> None:
    served.engine.fails = errors.InvalidRequest(
        [errors.Violation(field="x" * 10_000, description="too long")]
    )
    assert failure(served).descriptions == ["and 1 more"]


def test_a_message_above_the_limit_is_refused() -> None:
    request = decisions.DecideRequest(identity="crm:" + "4" * 2000)
    with serving(max_message_bytes=1024) as served:
        stub = DecisionServiceStub(served.channel)
        with pytest.raises(grpc.RpcError, match="RESOURCE_EXHAUSTED"):
            stub.Decide(request)
