"""One unary method: parse, call, answer. Errors become statuses, each with one log line."""

from __future__ import annotations

import os
import re
import time
import traceback
from collections.abc import Callable
from typing import Generic, TypeVar

import grpc
from google.protobuf.message import DecodeError, Message
from structlog.typing import FilteringBoundLogger

from nba_engine.errors import DeadlineExceeded, InvalidRequest, NbaError, Violation
from nba_engine.server.failures import Failure, failure_of, internal_failure
from nba_engine.server.protocols import Decides
from nba_engine.server.redaction import redact, secrets_of_customer, secrets_of_request

__all__ = ["Call", "Unary"]

_Request = TypeVar("_Request", bound=Message)
_REQUEST_ID = re.compile(r"[!-~]{1,128}\Z")
# gRPC reports a call without a deadline as one that ends in the far future
_NO_DEADLINE = 1e9
_MAX_STACK = 20  # endless recursion has a thousand frames


class Call:
    """One call in flight: its id for logs and errors, and how long it may take."""

    __slots__ = ("_context", "_request_id", "deadline", "started")

    def __init__(
        self, context: grpc.ServicerContext, started: float, deadline: float | None
    ) -> None:
        self._context = context
        self._request_id = ""
        self.started = started  # on time.monotonic, as is the deadline
        self.deadline = deadline  # None: the caller set none

    @property
    def request_id(self) -> str:
        """The caller's ``x-request-id`` if it is a sane one, else a new id.

        Looked up when first asked for: reading the metadata costs more than most of a call.
        """
        if not self._request_id:
            self._request_id = _request_id(self._context)
        return self._request_id

    @property
    def micros(self) -> int:
        """Time since the call reached its handler."""
        return round((time.monotonic() - self.started) * 1e6)


class Unary(Generic[_Request]):
    """The behavior of one method, bytes to bytes.

    Parsing happens in here, because gRPC's own would answer a malformed body with INTERNAL.
    """

    def __init__(
        self,
        method: str,
        request: type[_Request],
        handle: Callable[[_Request, Call], Message],
        engine: Decides,
        logger: FilteringBoundLogger,
    ) -> None:
        self._method = method
        self._request = request
        self._handle = handle
        self._engine = engine
        self._logger = logger

    def __call__(self, body: bytes, context: grpc.ServicerContext) -> bytes:
        started = time.monotonic()
        if not context.is_active():
            return b""  # the caller has gone; nobody reads an answer
        remaining = context.time_remaining()
        deadline = None
        if remaining < _NO_DEADLINE:
            deadline = started + remaining
        call = Call(context, started, deadline)
        message: _Request | None = None
        try:
            if deadline is not None and deadline <= started:
                raise DeadlineExceeded("the deadline passed before the call was looked at")
            message = self._parse(body)
            return self._handle(message, call).SerializeToString()
        except NbaError as error:
            known = failure_of(error, call.request_id)
            failure = known or self._unforeseen(error, message, call)
            if known:
                self._log(error, known, call)
        except Exception as error:  # the last resort: whatever it is, the caller gets INTERNAL
            failure = self._unforeseen(error, message, call)
        return context.abort_with_status(failure)  # raises

    def _parse(self, body: bytes) -> _Request:
        try:
            return self._request.FromString(body)
        except DecodeError as error:
            name = self._request.DESCRIPTOR.full_name
            raise InvalidRequest(
                [Violation(field="request", description=f"the body is not a {name}")]
            ) from error

    def _log(self, error: NbaError, failure: Failure, call: Call) -> None:
        facts: dict[str, object] = {"message": error.message}
        if isinstance(error, InvalidRequest):
            facts = {"fields": [violation.field for violation in error.violations[:20]]}
        self._logger.warning(
            "call_failed",
            method=self._method,
            request_id=call.request_id,
            code=failure.code.name,
            reason=failure.reason,
            micros=call.micros,
            **facts,
        )

    def _unforeseen(self, error: Exception, message: Message | None, call: Call) -> Failure:
        error_id = os.urandom(8).hex()
        failure = internal_failure(error_id, call.request_id)
        self._logger.error(
            "call_failed",
            method=self._method,
            request_id=call.request_id,
            code=failure.code.name,
            reason=failure.reason,
            error_id=error_id,
            micros=call.micros,
            exception=type(error).__name__,
            message=self._safe_text(error, message),
            stack=_stack(error),
        )
        return failure

    def _safe_text(self, error: Exception, message: Message | None) -> str:
        """The exception's text without values of sensitive attributes that the call touched."""
        try:
            catalog = self._engine.catalog
            secrets = [] if message is None else list(secrets_of_request(message, catalog))
            identity = getattr(message, "identity", "")
            if identity:
                found = self._engine.store.customer(identity)
                if found is not None:
                    secrets += secrets_of_customer(found[0], catalog)
            return redact(str(error), secrets)
        except Exception as second:  # what cannot be made safe is not logged
            return f"(withheld: {type(second).__name__} while redacting it)"


def _request_id(context: grpc.ServicerContext) -> str:
    """The caller's ``x-request-id`` if it is a sane one, else a new id."""
    for key, value in context.invocation_metadata():
        if key == "x-request-id" and isinstance(value, str) and _REQUEST_ID.match(value):
            return value
    return os.urandom(8).hex()


def _stack(error: Exception) -> list[str]:
    """Where it happened, innermost last: no source lines, no values."""
    frames = traceback.extract_tb(error.__traceback__)[-_MAX_STACK:]
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
