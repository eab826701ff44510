"""Errors → `google.rpc.Status` in trailing metadata."""

from __future__ import annotations

from collections.abc import Mapping

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from nba_engine import errors
from nba_engine._gen.nba.v1 import error_reason_pb2
from nba_engine.errors import InvalidRequest, NbaError, Violation

__all__ = ["DETAILS_KEY", "DOMAIN", "Failure", "failure_of", "internal_failure"]

DOMAIN = "nba-engine"
DETAILS_KEY = "grpc-status-details-bin"
_PREFIX = "ERROR_REASON_"
_REASONS = frozenset(name.removeprefix(_PREFIX) for name in error_reason_pb2.ErrorReason.keys()[1:])
# the first class that fits decides: (error, code, reason when the error's own is not in the API)
_CODES: tuple[tuple[type[NbaError], grpc.StatusCode, str], ...] = (
    (errors.InvalidRequest, grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST"),
    (errors.NotFound, grpc.StatusCode.NOT_FOUND, ""),
    (errors.FailedPrecondition, grpc.StatusCode.FAILED_PRECONDITION, "FAILED_PRECONDITION"),
    (errors.Unavailable, grpc.StatusCode.UNAVAILABLE, "UNAVAILABLE"),
    (errors.StageFailed, grpc.StatusCode.UNAVAILABLE, "STAGE_FAILED"),
    (errors.Exhausted, grpc.StatusCode.RESOURCE_EXHAUSTED, "EXHAUSTED"),
    (errors.NotPermitted, grpc.StatusCode.PERMISSION_DENIED, "ADMIN_DISABLED"),
    (errors.DeadlineExceeded, grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED"),
)
_RETRY = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED)
_NUMBERS = {code: code.value[0] for code in grpc.StatusCode}
# Clients refuse more than 8 KB of metadata, in which the details travel base64-encoded.
_MAX_DETAILS = 4096
_MAX_MESSAGE = 512


class Failure(grpc.Status):
    """How a call ends that did not succeed; ``reason`` as the client sees it.

    ``status`` is the same for one of many: an item of a batch, a message of a stream.
    """

    def __init__(self, code: grpc.StatusCode, reason: str, status: status_pb2.Status) -> None:
        self.code = code
        self.reason = reason
        self.status = status
        self.details = status.message
        self.trailing_metadata = ((DETAILS_KEY, status.SerializeToString()),)


def failure_of(error: NbaError, request_id: str) -> Failure | None:
    """The status of an error raised on purpose; None when the API has no word for its class."""
    for kind, code, fallback in _CODES:
        if isinstance(error, kind):
            reason = error.reason if error.reason in _REASONS else fallback
            if reason == "UNAVAILABLE" and "stage" in error.metadata:
                reason = "STAGE_FAILED"  # a stage whose failure policy is to fail the call
            if not reason:
                break
            extras: list[Message] = []
            if code in _RETRY:
                seconds = getattr(error, "retry_after", 1.0)
                extras += [] if seconds is None else [_retry_info(seconds)]
            if isinstance(error, InvalidRequest):
                return _invalid(error, code, reason, request_id)
            return _failure(code, reason, error.message, error.metadata, request_id, *extras)
    return None


def internal_failure(error_id: str, request_id: str) -> Failure:
    """The status of a failure nobody foresaw. Its text never reaches a client."""
    metadata = {"error_id": error_id}
    return _failure(grpc.StatusCode.INTERNAL, "INTERNAL", "internal error", metadata, request_id)


def _invalid(error: InvalidRequest, code: grpc.StatusCode, reason: str, request_id: str) -> Failure:
    """Names every wrong field, as far as they fit into metadata; the last one counts the rest."""
    request = error_details_pb2.BadRequest()
    room = _MAX_DETAILS - 512  # for ErrorInfo and the note about the rest
    for position, violation in enumerate(error.violations):
        entry = _field_violation(violation)
        room -= entry.ByteSize() + 4
        if room < 0:
            left = len(error.violations) - position
            request.field_violations.add(field="", description=f"and {left} more")
            break
        request.field_violations.append(entry)
    return _failure(code, reason, error.message, error.metadata, request_id, request)


def _field_violation(violation: Violation) -> error_details_pb2.BadRequest.FieldViolation:
    return error_details_pb2.BadRequest.FieldViolation(
        field=violation.field, description=violation.description
    )


def _failure(
    code: grpc.StatusCode,
    reason: str,
    message: str,
    metadata: Mapping[str, str],
    request_id: str,
    *extras: Message,
) -> Failure:
    if len(message) > _MAX_MESSAGE:
        message = message[: _MAX_MESSAGE - 1] + "…"
    wire_reason = _PREFIX + reason
    info = error_details_pb2.ErrorInfo(
        reason=wire_reason,
        domain=DOMAIN,
        metadata={**metadata, "request_id": request_id},
    )
    status = status_pb2.Status(code=_NUMBERS[code], message=message)
    for detail in (info, *extras):
        packed = AnyMessage()
        packed.Pack(detail)
        status.details.append(packed)
    return Failure(code, wire_reason, status)


def _retry_info(seconds: float) -> error_details_pb2.RetryInfo:
    whole, rest = divmod(round(seconds * 1_000_000), 1_000_000)
    return error_details_pb2.RetryInfo(retry_delay=Duration(seconds=whole, nanos=rest * 1000))
