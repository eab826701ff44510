"""Open streams: how many there may be, on threads of their own, and how they end.

A sync gRPC server needs a thread for every open stream. Whether there is one left is decided when
gRPC asks for the method's handler, before the call is given to any thread.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial

import grpc

from nba_engine.errors import DeadlineExceeded, Exhausted, NbaError, Unavailable
from nba_engine.server.calls import Call
from nba_engine.server.pools import Pooled, pool_of
from nba_engine.server.reports import Reporter
from nba_engine.server.stream import Conversation, Send, Stream
from nba_engine.server.workers import Workers
from nba_engine.settings import ServerSettings

__all__ = ["Streams"]


class Streams(grpc.GenericRpcHandler):
    """The bidirectional methods, by path; the streams of all of them count together."""

    def __init__(
        self,
        methods: Mapping[str, Conversation],
        settings: ServerSettings,
        reporter: Reporter,
    ) -> None:
        self._reporter = reporter
        self._most = settings.max_streams
        self._idle = settings.stream_idle_seconds
        self._workers = Workers(self._most, "stream")
        self._refusing = Workers(1, "refusal")
        self._admitted = {
            path: _handler(partial(self._serve, _name(path), converse), self._workers)
            for path, converse in methods.items()
        }
        self._refused = {
            path: _handler(partial(self._refuse, _name(path)), self._refusing) for path in methods
        }
        self._lock = threading.Lock()
        self._taken = 0  # streams admitted, not all of which are on their thread yet
        self._open: set[Stream] = set()
        self._stopping = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="idle_streams", daemon=True)

    def service(
        self, handler_call_details: grpc.HandlerCallDetails
    ) -> grpc.RpcMethodHandler[bytes, bytes] | None:
        """The handler of a call. gRPC asks for it on its own thread."""
        path = handler_call_details.method
        if path not in self._admitted:
            return None
        with self._lock:
            if self._taken >= self._most:
                return self._refused[path]
            self._taken += 1
        return self._admitted[path]

    def start(self) -> None:
        """From now on, streams on which nothing comes are ended."""
        self._watcher.start()

    def stop(self) -> None:
        """End all streams: at once, or as soon as what they have in hand is answered."""
        self._stopping.set()
        for stream in self._snapshot():
            self._stopped(stream)

    def shutdown(self) -> None:
        """Let the threads go."""
        self._workers.shutdown()
        self._refusing.shutdown()

    def _refuse(
        self, method: str, _requests: Iterator[bytes], context: grpc.ServicerContext, _send: Send
    ) -> None:
        error = Exhausted(
            f"as many streams are open as there may be ({self._most})",
            reason="TOO_MANY_STREAMS",
            metadata={"max_streams": str(self._most)},
        )
        context.abort_with_status(self._reporter.failure(error, method, Call.of(context)))

    def _serve(
        self,
        method: str,
        converse: Conversation,
        requests: Iterator[bytes],
        context: grpc.ServicerContext,
        send: Send,
    ) -> None:
        stream = Stream(method, context, send, self._stopping, self._stopped)
        with self._lock:
            self._open.add(stream)
        try:
            converse(stream, requests)
        except grpc.RpcError:
            pass  # the caller has gone
        except BaseException as error:  # the last resort: gRPC would send its text to the caller
            stream.finish(self._reporter.failure(error, method, stream.call))
        finally:
            with self._lock:
                self._open.discard(stream)
                self._taken -= 1

    def _stopped(self, stream: Stream) -> None:
        self._end(stream, Unavailable("the server is stopping", reason="SERVER_STOPPING"))

    def _end(self, stream: Stream, error: NbaError) -> None:
        """End a stream that waits for a request; any other ends itself once it waits."""
        if stream.turn("waiting", "ended"):
            stream.finish(self._reporter.failure(error, stream.method, stream.call))

    def _watch(self) -> None:
        wait = self._idle
        while not self._stopping.wait(wait):
            now = time.monotonic()
            wait = self._idle
            for stream in self._snapshot():
                left = stream.since + self._idle - now
                if left > 0:
                    wait = min(wait, left)
                elif stream.state == "waiting":
                    self._end(stream, _idle(self._idle))
                elif stream.state == "sending":
                    # its response is stuck, and nothing can be sent past it
                    self._reporter.failure(_idle(self._idle), stream.method, stream.call)
                    stream.cancel()

    def _snapshot(self) -> list[Stream]:
        with self._lock:
            return list(self._open)


def _handler(
    behavior: Callable[[Iterator[bytes], grpc.ServicerContext, Send], None], workers: Workers
) -> grpc.RpcMethodHandler[bytes, bytes]:
    pooled = Pooled(behavior, pool_of(workers), non_blocking=True)
    return grpc.stream_stream_rpc_method_handler(pooled)


def _name(path: str) -> str:
    """``DecisionService/StreamDecide``, for logs."""
    return path.rpartition(".")[2]


def _idle(seconds: float) -> NbaError:
    return DeadlineExceeded(
        f"nothing was sent or read for {seconds:g} s",
        reason="STREAM_IDLE",
        metadata={"idle_seconds": f"{seconds:g}"},
    )
