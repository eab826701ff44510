"""`google.rpc.Status` and gRPC's own errors → the errors of this package."""

from __future__ import annotations

import re
from typing import Any, cast

import grpc
from google.rpc import error_details_pb2, status_pb2

from nba_engine.client import errors
from nba_engine.client.errors import InvalidRequest, NbaClientError, Violation

__all__ = ["error_of_call", "error_of_status"]

_DETAILS_KEY = "grpc-status-details-bin"
_PREFIX = "ERROR_REASON_"
_CLASSES: dict[str, type[NbaClientError]] = {
    "INVALID_ARGUMENT": InvalidRequest,
    "OUT_OF_RANGE": InvalidRequest,
    "NOT_FOUND": errors.NotFound,
    "FAILED_PRECONDITION": errors.FailedPrecondition,
    "UNAVAILABLE": errors.Unavailable,
    # gRPC's own hand while a server shuts its door; a caller who cancels gets no error of ours
    "CANCELLED": errors.Unavailable,
    "ABORTED": errors.Unavailable,
    "RESOURCE_EXHAUSTED": errors.Exhausted,
    "DEADLINE_EXCEEDED": errors.DeadlineExceeded,
    "UNAUTHENTICATED": errors.NotAllowed,
    "PERMISSION_DENIED": errors.NotAllowed,
    "UNIMPLEMENTED": errors.Unsupported,
}
_NAMES = {code.value[0]: code.name for code in grpc.StatusCode}
# "failed to connect to all addresses; last error: UNKNOWN: ipv4:127.0.0.1:1: Failed to connect to
# remote host: connect: Connection refused (111)" says it at the end
_WHY = re.compile(r"last error: .*: ([^:]+?)(?: \(\d+\))?\Z", re.DOTALL)
# What grpc.aio says of a stream that ended while a message was written: the real status is lost
# (https://github.com/grpc/grpc/issues/36066).
_LOST_STATUS = "Internal error from Core"


def error_of_call(
    error: grpc.RpcError, *, method: str, target: str, timeout: float | None, late: bool = False
) -> NbaClientError:
    """The error that a failed call raises.

    ``timeout`` is what it had, in seconds; ``late`` says that it has passed.
    """
    call = cast("grpc.Call", error)  # in fact a call has failed with it
    code = call.code().name
    text = call.details() or ""
    if code == "INTERNAL" and text == _LOST_STATUS:
        code = "DEADLINE_EXCEEDED" if late else "CANCELLED"
    trailing: Any = call.trailing_metadata() or ()
    for key, value in trailing:
        if key == _DETAILS_KEY:
            return error_of_status(status_pb2.Status.FromString(value), method=method)
    if code == "UNAVAILABLE":
        why = _WHY.search(text)
        text = f"no server answers at {target} ({why[1] if why else text})"
    elif code == "CANCELLED":
        text = f"the server at {target} ended the call; it may be stopping"
    elif code == "DEADLINE_EXCEEDED":
        text = "no answer in time" if timeout is None else f"no answer within {timeout:g} s"
    reason = code if code in ("UNAVAILABLE", "DEADLINE_EXCEEDED") else ""
    kind = _CLASSES.get(code, errors.Internal)
    return kind(text or code, method=method, code=code, reason=reason)


def error_of_status(status: status_pb2.Status, *, method: str) -> NbaClientError:
    """The error that a Status tells of: of a call, or of one item of a batch or stream."""
    code = _NAMES.get(status.code, "UNKNOWN")
    info = error_details_pb2.ErrorInfo()
    bad = error_details_pb2.BadRequest()
    retry = error_details_pb2.RetryInfo()
    retry_after = None
    for detail in status.details:
        if detail.Unpack(retry):
            retry_after = retry.retry_delay.ToMicroseconds() / 1e6
        elif not detail.Unpack(bad):
            detail.Unpack(info)
    message = status.message
    error_id = info.metadata.get("error_id", "")
    if error_id:
        message = f"{message} (error id {error_id})"
    kind = _CLASSES.get(code, errors.Internal)
    found = kind(
        message,
        method=method,
        code=code,
        reason=info.reason.removeprefix(_PREFIX),
        metadata=info.metadata,
    )
    if isinstance(found, InvalidRequest):
        found.violations = tuple(
            Violation(field=v.field, description=v.description) for v in bad.field_violations
        )
    elif isinstance(found, errors.Unavailable | errors.Exhausted):
        found.retry_after = retry_after
    return found
