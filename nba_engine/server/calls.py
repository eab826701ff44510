"""One unary method: parse, call, answer. Errors become statuses, each with one log line."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from typing import Generic, TypeVar

import grpc
from google.protobuf.message import DecodeError, Message

from nba_engine.errors import DeadlineExceeded, InvalidRequest, Violation
from nba_engine.server.reports import Reporter

__all__ = ["Call", "Unary", "parse"]

_Request = TypeVar("_Request", bound=Message)
_REQUEST_ID = re.compile(r"[!-~]{1,128}\Z")
# gRPC reports a call without a deadline as one that ends in the far future
_NO_DEADLINE = 1e9


class Call:
    """One call in flight: its id for logs and errors, and how long it may take."""

    __slots__ = ("_context", "_request_id", "deadline", "started")

    def __init__(
        self,
        context: grpc.ServicerContext,
        started: float,
        deadline: float | None,
        request_id: str = "",
    ) -> None:
        self._context = context
        self._request_id = request_id
        self.started = started  # on time.monotonic, as is the deadline
        self.deadline = deadline  # None: the caller set none

    @classmethod
    def of(cls, context: grpc.ServicerContext) -> Call:
        """The call behind a context, from now on."""
        started = time.monotonic()
        remaining = context.time_remaining()
        return cls(context, started, started + remaining if remaining < _NO_DEADLINE else None)

    def part(self, deadline: float | None = None) -> Call:
        """One of several pieces of work of this call, from now on. It never outlasts the call."""
        if deadline is None or (self.deadline is not None and self.deadline < deadline):
            deadline = self.deadline
        return Call(self._context, time.monotonic(), deadline, self.request_id)

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

    @property
    def abandoned(self) -> bool:
        """Whether nobody waits for the answer any more."""
        return not self._context.is_active()

    def check_deadline(self) -> None:
        """Raise `DeadlineExceeded` when there is no time left."""
        if self.deadline is not None and self.deadline <= time.monotonic():
            raise DeadlineExceeded("the deadline passed before the call was looked at")


class Unary(Generic[_Request]):
    """The behavior of one method, bytes to bytes.

    Parsing happens in here, because gRPC's own would answer a malformed body with INTERNAL.
    """

    def __init__(
        self,
        method: str,
        request: type[_Request],
        handle: Callable[[_Request, Call], Message],
        reporter: Reporter,
    ) -> None:
        self._method = method
        self._request = request
        self._handle = handle
        self._reporter = reporter

    def __call__(self, body: bytes, context: grpc.ServicerContext) -> bytes:
        call = Call.of(context)
        if call.abandoned:
            return b""  # the caller has gone; nobody reads an answer
        message: _Request | None = None
        try:
            call.check_deadline()
            message = parse(self._request, body)
            return self._handle(message, call).SerializeToString()
        except BaseException as error:  # the last resort: whatever it is, the caller gets a status
            failure = self._reporter.failure(error, self._method, call, message=message)
        return context.abort_with_status(failure)  # raises


def parse(kind: type[_Request], body: bytes) -> _Request:
    """A message from its bytes. Raises `InvalidRequest`."""
    try:
        return kind.FromString(body)
    except DecodeError as error:
        name = kind.DESCRIPTOR.full_name
        raise InvalidRequest(
            [Violation(field="request", description=f"the body is not a {name}")]
        ) from error


def _request_id(context: grpc.ServicerContext) -> str:
    """The caller's ``x-request-id`` if it is a sane one, else a new id."""
    for key, value in context.invocation_metadata():
        if key == "x-request-id" and isinstance(value, str) and _REQUEST_ID.match(value):
            return value
    return os.urandom(8).hex()
