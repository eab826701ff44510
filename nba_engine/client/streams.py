"""StreamDecide: requests out, answers in, the same order, never too far ahead."""

from __future__ import annotations

from collections import deque

from google.protobuf.duration_pb2 import Duration

from nba_engine._gen.nba.v1 import decision_service_pb2
from nba_engine.client.decisions import (
    DecideRequest,
    DecideResult,
    fill_decide_request,
    read_decision,
)
from nba_engine.client.errors import Internal
from nba_engine.client.failures import error_of_status
from nba_engine.client.values import Violations

__all__ = ["Correlation"]

_METHOD = "StreamDecide"


class Correlation:
    """Numbers the requests of one stream, and holds each answer against the request it is for."""

    def __init__(self, request_timeout: float) -> None:
        micros = round(request_timeout * 1e6)
        self._timeout = Duration(seconds=micros // 10**6, nanos=micros % 10**6 * 1000)
        self._waiting: deque[tuple[str, DecideRequest]] = deque()
        self._sent = 0

    def message(self, request: DecideRequest) -> decision_service_pb2.StreamDecideRequest:
        """The next message. Raises `InvalidRequest` for values no message holds."""
        message = decision_service_pb2.StreamDecideRequest(
            correlation_id=str(self._sent), timeout=self._timeout
        )
        violations = Violations()
        fill_decide_request(message.request, request, violations)
        violations.raise_any(_METHOD)
        self._sent += 1
        self._waiting.append((message.correlation_id, request))
        return message

    def result(self, message: decision_service_pb2.StreamDecideResponse) -> DecideResult:
        """What became of the oldest request without an answer."""
        expected, request = self._waiting.popleft() if self._waiting else ("", None)
        if request is None or message.correlation_id not in (expected, ""):
            text = f"the server answered {message.correlation_id!r} instead of {expected!r}"
            raise Internal(text, method=_METHOD)
        if message.HasField("decision"):
            return DecideResult(request=request, decision=read_decision(message.decision))
        return DecideResult(request=request, error=error_of_status(message.status, method=_METHOD))

    def finish(self) -> None:
        """The server has ended the stream in order. Raises `Internal` when answers are missing."""
        if self._waiting:
            text = f"the server ended the stream with {len(self._waiting)} answers missing"
            raise Internal(text, method=_METHOD)
