"""`ExportProfile`: everything that is held about one customer, an entry per message."""

from __future__ import annotations

from collections.abc import Iterator

from nba_engine._gen.nba.v1 import profile_service_pb2
from nba_engine.errors import Exhausted
from nba_engine.server.calls import parse
from nba_engine.server.convert import Violations
from nba_engine.server.failures import Failure
from nba_engine.server.protocols import Decides
from nba_engine.server.reports import Reporter
from nba_engine.server.stream import Stream

__all__ = ["Exporting"]


class Exporting:
    """The conversation of `nba.v1.ProfileService.ExportProfile`: one request, many responses.

    An entry is read when the one before has been sent.
    """

    def __init__(self, engine: Decides, reporter: Reporter, *, max_message_bytes: int) -> None:
        self._engine = engine
        self._reporter = reporter
        self._max_bytes = max_message_bytes

    def __call__(self, stream: Stream, requests: Iterator[bytes], /) -> None:
        """Answer the first request; there should be no other."""
        stream.pause()
        body = next(requests, None)
        if not stream.turn("waiting", "working"):
            return  # ended in the meantime
        failure: Failure | None = None
        message: profile_service_pb2.ExportProfileRequest | None = None
        try:
            message = parse(profile_service_pb2.ExportProfileRequest, body or b"")
            for response in self._responses(message):
                stream.turn("working", "sending")
                stream.send(response)
                stream.turn("sending", "working")
                if stream.call.abandoned:
                    return
        except BaseException as error:  # the last resort: whatever it is, the caller gets a status
            failure = self._reporter.failure(error, stream.method, stream.call, message=message)
        stream.turn("working", "ended")
        stream.finish(failure)

    def _responses(self, message: profile_service_pb2.ExportProfileRequest) -> Iterator[bytes]:
        violations = Violations()
        violations.identity(message.identity)
        violations.raise_any()
        for entry in self._engine.export(message.identity):
            response = profile_service_pb2.ExportProfileResponse(
                kind=entry.kind, json=entry.json().decode()
            ).SerializeToString()
            if len(response) > self._max_bytes:
                raise Exhausted(
                    f"an entry ({entry.kind}) is longer than a message may be: use `nba export`"
                )
            yield response
