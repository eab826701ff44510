"""The errors of the client: by what to do next, in one sentence, with what the server said."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from nba_engine import client
from nba_engine._gen.nba.v1 import error_reason_pb2
from nba_engine.client import errors
from nba_engine.client.errors import (
    DeadlineExceeded,
    Exhausted,
    FailedPrecondition,
    Internal,
    InvalidRequest,
    NbaClientError,
    NotAllowed,
    NotDelivered,
    NotFound,
    Unavailable,
    Undelivered,
    Unsupported,
)
from nba_engine.client.failures import error_of_call, error_of_status
from nba_engine.errors import InvalidRequest as EngineInvalidRequest
from nba_engine.errors import NbaError, StageFailed, Violation
from nba_engine.server.failures import failure_of, internal_failure
from tests.server.test_failures import RAISED

BY_CODE = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidRequest,
    grpc.StatusCode.NOT_FOUND: NotFound,
    grpc.StatusCode.FAILED_PRECONDITION: FailedPrecondition,
    grpc.StatusCode.UNAVAILABLE: Unavailable,
    grpc.StatusCode.RESOURCE_EXHAUSTED: Exhausted,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceeded,
    grpc.StatusCode.UNAUTHENTICATED: NotAllowed,
    grpc.StatusCode.PERMISSION_DENIED: NotAllowed,
    grpc.StatusCode.UNIMPLEMENTED: Unsupported,
    grpc.StatusCode.INTERNAL: Internal,
    grpc.StatusCode.UNKNOWN: Internal,
    grpc.StatusCode.DATA_LOSS: Internal,
    grpc.StatusCode.CANCELLED: Unavailable,
}


class Failed(grpc.RpcError):
    """A call as gRPC leaves it behind."""

    def __init__(self, code: grpc.StatusCode, details: str = "", trailing: object = ()) -> None:
        self.given = code, details, trailing

    def code(self) -> grpc.StatusCode:
        return self.given[0]

    def details(self) -> str:
        return self.given[1]

    def trailing_metadata(self) -> Any:
        return self.given[2]


def read(failed: Failed) -> NbaClientError:
    return error_of_call(failed, method="Decide", target="shop:1", timeout=0.05)


def wire(failure: grpc.Status) -> NbaClientError:
    return read(Failed(failure.code, failure.details, failure.trailing_metadata))


@pytest.mark.parametrize("reason", sorted(RAISED))
def test_each_reason_of_the_server_arrives_as_the_class_of_its_code(reason: str) -> None:
    raised, code = RAISED[reason]
    known = failure_of(raised, "call-7") if isinstance(raised, NbaError) else None
    error = wire(known or internal_failure("e1", "call-7"))
    assert type(error) is BY_CODE[code]
    assert (error.reason, error.code, error.request_id) == (reason, code.name, "call-7")
    assert reason in {name.removeprefix("ERROR_REASON_") for name in _reasons()}
    assert str(error).startswith("Decide: ")
    assert "\n" not in str(error)


def _reasons() -> list[str]:
    return error_reason_pb2.ErrorReason.keys()


@pytest.mark.parametrize("code", BY_CODE)
def test_an_error_without_details_has_the_class_of_its_code(code: grpc.StatusCode) -> None:
    error = read(Failed(code, "a proxy says no"))
    assert type(error) is BY_CODE[code]
    assert (error.code, error.request_id, error.metadata) == (code.name, "", {})


def test_every_wrong_field_is_named() -> None:
    wrong = [Violation(field=f"placements[{n}]", description="unknown") for n in range(3)]
    failure = failure_of(EngineInvalidRequest(wrong), "call-7")
    assert failure is not None
    error = wire(failure)
    assert isinstance(error, InvalidRequest)
    assert [(one.field, one.description) for one in error.violations] == [
        (f"placements[{n}]", "unknown") for n in range(3)
    ]
    assert str(error).startswith("Decide: placements[0]: unknown; placements[1]")


def test_metadata_and_retry_info_arrive() -> None:
    failure = failure_of(StageFailed("broken", metadata={"stage": "value"}), "call-7")
    assert failure is not None
    error = wire(failure)
    assert isinstance(error, Unavailable)
    assert error.retry_after == 1.0
    assert error.metadata == {"stage": "value", "request_id": "call-7"}


def test_an_internal_error_names_the_id_to_report() -> None:
    error = wire(internal_failure("e1f2", "call-7"))
    assert isinstance(error, Internal)
    assert error.error_id == "e1f2"
    assert str(error) == "Decide: internal error (error id e1f2)"


@pytest.mark.parametrize("end", ["connect: Connection refused (111)", "Connection refused"])
def test_a_server_that_is_not_there_is_told_in_one_sentence(end: str) -> None:
    text = (
        "failed to connect to all addresses; last error: UNKNOWN: ipv4:127.0.0.1:1: "
        f"Failed to connect to remote host: {end}"
    )
    error = read(Failed(grpc.StatusCode.UNAVAILABLE, text))
    assert str(error) == "Decide: no server answers at shop:1 (Connection refused)"
    other = read(Failed(grpc.StatusCode.UNAVAILABLE, "name resolution failed"))
    assert str(other) == "Decide: no server answers at shop:1 (name resolution failed)"


def test_a_deadline_says_how_long_it_was() -> None:
    error = read(Failed(grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded"))
    assert str(error) == "Decide: no answer within 0.05 s"


def test_a_status_that_grpc_aio_lost_is_not_the_servers_fault() -> None:
    lost = Failed(grpc.StatusCode.INTERNAL, "Internal error from Core")
    assert isinstance(read(lost), Unavailable)
    late = error_of_call(lost, method="StreamDecide", target="shop:1", timeout=0.3, late=True)
    assert str(late) == "StreamDecide: no answer within 0.3 s"
    assert isinstance(late, DeadlineExceeded)


def test_a_status_of_a_newer_server_is_still_an_error() -> None:
    info = error_details_pb2.ErrorInfo(reason="ERROR_REASON_NEWER", metadata={"request_id": "7"})
    status = status_pb2.Status(code=99, message="something new")
    status.details.add().Pack(info)
    status.details.add(type_url="type.googleapis.com/unheard.Of", value=b"\x01")
    error = error_of_status(status, method="Decide")
    assert (type(error), error.reason, error.request_id) == (Internal, "NEWER", "7")


def test_what_was_not_delivered_is_counted_and_the_first_is_told() -> None:
    interaction = client.Interaction(identity="crm:1", type="view")
    error = Unavailable("away", code="UNAVAILABLE", reason="UNAVAILABLE")
    lost = Undelivered(interaction=interaction, error=error)
    assert str(NotDelivered([lost])) == "1 interaction was not delivered; away"
    both = NotDelivered([lost, lost])
    assert str(both) == "2 interactions were not delivered; the first: away"
    assert (both.reason, both.undelivered) == ("UNAVAILABLE", (lost, lost))


def test_every_error_is_in_the_tree_of_the_module_and_public() -> None:
    classes = {
        name
        for name in errors.__all__
        if isinstance(getattr(errors, name), type) and issubclass(getattr(errors, name), Exception)
    }
    assert errors.__doc__ is not None
    assert [name for name in classes if name not in errors.__doc__] == []
    assert classes <= set(client.__all__)
    assert all(issubclass(getattr(errors, name), NbaClientError) for name in classes)
