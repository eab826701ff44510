"""StreamDecide: what a message says beside its request."""

from __future__ import annotations

from nba_engine._gen.nba.v1 import decision_service_pb2
from nba_engine.server.convert.violations import Violations

__all__ = ["read_stream_request"]


def read_stream_request(message: decision_service_pb2.StreamDecideRequest) -> float | None:
    """How many seconds the decision may take; None when it is not said. Raises `InvalidRequest`."""
    violations = Violations()
    violations.ascii_id(message.correlation_id, "correlation_id")
    timeout = None
    if message.HasField("timeout"):
        timeout = message.timeout.seconds + message.timeout.nanos / 1e9
        if timeout <= 0:
            violations.add("timeout", "must be more than zero")
    violations.raise_any()
    return timeout
