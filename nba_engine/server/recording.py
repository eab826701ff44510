"""`StreamInteractions`: what arrives while something is committed is committed together next.

Two threads per stream: gRPC's, which reads requests into a bounded window, and one that takes all
that waits in there, has it recorded in one call of the engine, and answers in order.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator, Sequence

import msgspec

from nba_engine._gen.nba.v1 import interaction_service_pb2
from nba_engine.domain import Interaction, InteractionResult
from nba_engine.server.calls import Call, parse
from nba_engine.server.convert import read_streamed, write_result
from nba_engine.server.protocols import Decides
from nba_engine.server.reports import Reporter
from nba_engine.server.stream import Stream

__all__ = ["MAX_AHEAD", "StreamedInteractions"]

MAX_AHEAD = 256  # requests of a stream that wait for their acknowledgements
_TOGETHER = 1_000  # interactions of one commit, at least those of one request
_METHOD = "InteractionService/StreamInteractions"


class _Arrived(msgspec.Struct, frozen=True, eq=False):
    """A request that was read: each interaction, or why it is rejected; or what is wrong with all."""

    call: Call
    size: int
    correlation_id: str = ""
    entries: Sequence[Interaction | InteractionResult] = ()
    error: BaseException | None = None


class StreamedInteractions:
    """The conversation of `nba.v1.InteractionService.StreamInteractions`."""

    def __init__(self, engine: Decides, reporter: Reporter, *, max_message_bytes: int) -> None:
        self._engine = engine
        self._reporter = reporter
        self._max_bytes = max_message_bytes

    def __call__(self, stream: Stream, requests: Iterator[bytes], /) -> None:
        """Take in requests until the stream ends."""
        window = _Window(stream, self._max_bytes)
        recorder = threading.Thread(
            target=self._record_all, args=(stream, window), name="stream-record", daemon=True
        )
        stream.pause()
        recorder.start()
        gone = True
        try:
            for body in requests:
                if not window.put(self._read(body, stream.call)):
                    break
            gone = False
        finally:
            window.close(gone=gone)
            recorder.join()

    def _read(self, body: bytes, stream: Call) -> _Arrived:
        call = stream.part()
        correlation_id = ""
        try:
            message = parse(interaction_service_pb2.StreamInteractionsRequest, body)
            correlation_id = message.correlation_id
            entries = read_streamed(message)
        except BaseException as error:  # the last resort: whatever it is, the stream goes on
            return _Arrived(call, len(body), correlation_id, error=error)
        return _Arrived(call, len(body), correlation_id, entries)

    def _record_all(self, stream: Stream, window: _Window) -> None:
        try:
            while batch := window.take():
                for response in self._responses(batch):
                    stream.turn("working", "sending")
                    stream.send(response)
                    stream.turn("sending", "working")
                window.rest()
            stream.pause()
            if stream.turn("waiting", "ended"):
                stream.finish(None)
        except BaseException as error:  # the last resort: gRPC would never answer
            stream.finish(self._reporter.failure(error, _METHOD, stream.call))
        finally:
            window.end()

    def _responses(self, batch: Sequence[_Arrived]) -> list[bytes]:
        """Record all of them at once; a response to each."""
        wanted = [entry for one in batch for entry in one.entries if isinstance(entry, Interaction)]
        error: BaseException | None = None
        results: Iterator[InteractionResult] = iter(())
        try:
            if wanted:
                results = iter(self._engine.record(wanted))
        except BaseException as caught:  # the last resort: the stream goes on
            error = caught
        return [self._response(one, results, error) for one in batch]

    def _response(
        self,
        one: _Arrived,
        results: Iterator[InteractionResult],
        error: BaseException | None,
    ) -> bytes:
        response = interaction_service_pb2.StreamInteractionsResponse(
            correlation_id=one.correlation_id
        )
        failed = one.error or (error if _needs_writing(one) else None)
        if failed is not None:
            failure = self._reporter.failure(failed, _METHOD, one.call)
            response.status.CopyFrom(failure.status)
            return response.SerializeToString()
        for entry in one.entries:
            result = next(results) if isinstance(entry, Interaction) else entry
            response.results.append(write_result(result))
        if response.ByteSize() > self._max_bytes:  # gRPC would end the whole stream
            for message in response.results:
                message.message = ""  # without reasons it is shorter than its request
        return response.SerializeToString()


def _needs_writing(one: _Arrived) -> bool:
    return any(isinstance(entry, Interaction) for entry in one.entries)


class _Window:
    """What was read of one stream and is not answered yet: bounded in number and bytes."""

    def __init__(self, stream: Stream, most_bytes: int) -> None:
        self._stream = stream
        self._most_bytes = most_bytes
        self._changed = threading.Condition()
        self._waiting: deque[_Arrived] = deque()
        self._bytes = 0
        self._closed = False  # no more will be put
        self._ended = False  # no more will be taken

    def put(self, arrived: _Arrived) -> bool:
        """Wait for room, then let it wait to be recorded; False: the stream has ended."""
        stream = self._stream
        with self._changed:
            self._changed.wait_for(lambda: self._ended or not self._full)
            if self._ended or stream.stopping:
                return False
            if not stream.turn("waiting", "working") and stream.state == "ended":
                return False
            self._waiting.append(arrived)
            self._bytes += arrived.size
            self._changed.notify_all()
        return True

    def take(self) -> list[_Arrived]:
        """Wait for requests; as many as are recorded together. Empty: there will be none."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            batch: list[_Arrived] = []
            count = 0
            while self._waiting:
                count += len(self._waiting[0].entries)
                if batch and count > _TOGETHER:
                    break
                batch.append(self._waiting.popleft())
                self._bytes -= batch[-1].size
            self._changed.notify_all()
        return batch

    def rest(self) -> None:
        """All that was taken is answered: wait for more, unless there is more, or the end."""
        with self._changed:
            if self._stream.stopping:
                self._waiting.clear()  # not recorded, and not acknowledged
            if not self._waiting:
                self._stream.turn("working", "waiting")
        self._stream.pause()

    def close(self, *, gone: bool) -> None:
        """Nothing more comes; of a caller who has ``gone``, nothing more is recorded."""
        with self._changed:
            self._closed = True
            if gone:
                self._waiting.clear()
                self._stream.turn("waiting", "ended")
            self._changed.notify_all()

    def end(self) -> None:
        """Nothing more is taken."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    @property
    def _full(self) -> bool:
        return len(self._waiting) >= MAX_AHEAD or self._bytes >= self._most_bytes
