"""Open streams: how many there may be, on threads of their own, and how they end.

A sync gRPC server needs a thread for every open stream. Whether there is one left is decided when
gRPC asks for the method's handler, before the call is given to any thread.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Literal, TypeAlias

import grpc

from nba_engine.errors import DeadlineExceeded, Exhausted, NbaError, Unavailable
from nba_engine.server.calls import Call
from nba_engine.server.failures import Failure
from nba_engine.server.pools import Pooled, pool_of
from nba_engine.server.reports import Reporter
from nba_engine.server.workers import Workers
from nba_engine.settings import ServerSettings

__all__ = ["Streams"]

_Send: TypeAlias = Callable[[bytes | None], None]  # None: there is nothing more to send
_State: TypeAlias = Literal["waiting", "deciding", "sending", "ended"]


class Streams(grpc.GenericRpcHandler):
    """One bidirectional method: ``answer`` makes a response of each request, in order.

    The next request is received when the response to the one before has been sent, so that nothing
    piles up in here: a client that does not read is not read from.
    """

    def __init__(
        self,
        path: str,
        answer: Callable[[bytes, Call], bytes],
        settings: ServerSettings,
        reporter: Reporter,
    ) -> None:
        self._path = path
        self._method = path.rpartition(".")[2]
        self._answer = answer
        self._reporter = reporter
        self._most = settings.max_streams
        self._idle = settings.stream_idle_seconds
        self._workers = Workers(self._most, "stream")
        self._refusing = Workers(1, "refusal")
        self._admitted = _handler(self._serve, self._workers)
        self._refused = _handler(self._refuse, self._refusing)
        self._lock = threading.Lock()
        self._taken = 0  # streams admitted, not all of which are on their thread yet
        self._open: set[_Stream] = set()
        self._stopping = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="idle_streams", daemon=True)

    def service(
        self, handler_call_details: grpc.HandlerCallDetails
    ) -> grpc.RpcMethodHandler[bytes, bytes] | None:
        """The handler of a call. gRPC asks for it on its own thread."""
        if handler_call_details.method != self._path:
            return None
        with self._lock:
            if self._taken >= self._most:
                return self._refused
            self._taken += 1
        return self._admitted

    def start(self) -> None:
        """From now on, streams on which nothing comes are ended."""
        self._watcher.start()

    def stop(self) -> None:
        """End all streams: at once, or as soon as the decision in hand is answered."""
        self._stopping.set()
        for stream in self._snapshot():
            self._end(stream, _stopping())

    def shutdown(self) -> None:
        """Let the threads go."""
        self._workers.shutdown()
        self._refusing.shutdown()

    def _refuse(
        self, _requests: Iterator[bytes], context: grpc.ServicerContext, _send: _Send
    ) -> None:
        error = Exhausted(
            f"as many streams are open as there may be ({self._most})",
            reason="TOO_MANY_STREAMS",
            metadata={"max_streams": str(self._most)},
        )
        context.abort_with_status(self._reporter.failure(error, self._method, Call.of(context)))

    def _serve(self, requests: Iterator[bytes], context: grpc.ServicerContext, send: _Send) -> None:
        stream = _Stream(context, send)
        with self._lock:
            self._open.add(stream)
        try:
            self._answer_all(stream, requests)
        except grpc.RpcError:
            pass  # the caller has gone
        except BaseException as error:  # the last resort: gRPC would send its text to the caller
            stream.finish(self._reporter.failure(error, self._method, stream.call))
        finally:
            with self._lock:
                self._open.discard(stream)
                self._taken -= 1

    def _answer_all(self, stream: _Stream, requests: Iterator[bytes]) -> None:
        if self._stopping.is_set():
            self._end(stream, _stopping())
        for body in requests:
            if not stream.turn("waiting", "deciding"):
                return  # ended in the meantime: this request is not decided
            response = self._answer(body, stream.call)
            stream.turn("deciding", "sending")
            stream.send(response)
            stream.turn("sending", "waiting")
            if self._stopping.is_set():
                self._end(stream, _stopping())
        if stream.turn("waiting", "ended"):
            stream.finish(None)

    def _end(self, stream: _Stream, error: NbaError) -> None:
        """End a stream that waits for a request; any other ends itself once it waits."""
        if stream.turn("waiting", "ended"):
            stream.finish(self._reporter.failure(error, self._method, stream.call))

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
                    self._reporter.failure(_idle(self._idle), self._method, stream.call)
                    stream.cancel()

    def _snapshot(self) -> list[_Stream]:
        with self._lock:
            return list(self._open)


class _Stream:
    """One open stream. Who moves it to "ended" sends its status, and nobody else."""

    def __init__(self, context: grpc.ServicerContext, send: _Send) -> None:
        self._context = context
        self._lock = threading.Lock()
        self.call = Call.of(context)
        self.send = send
        self.state: _State = "waiting"
        self.since = time.monotonic()  # when it came into this state

    def turn(self, before: _State, after: _State) -> bool:
        """Move on from one state to another; False when it is not in the first."""
        with self._lock:
            if self.state != before:
                return False
            self.state = after
            self.since = time.monotonic()
            return True

    def finish(self, failure: Failure | None) -> None:
        """Send the status, which is the end; None means that all went well."""
        if failure is not None:
            self._context.set_code(failure.code)
            self._context.set_details(failure.details)
            self._context.set_trailing_metadata(failure.trailing_metadata)
        self.send(None)

    def cancel(self) -> None:
        """Break it off."""
        self._context.cancel()


def _handler(
    behavior: Callable[[Iterator[bytes], grpc.ServicerContext, _Send], None], workers: Workers
) -> grpc.RpcMethodHandler[bytes, bytes]:
    pooled = Pooled(behavior, pool_of(workers), non_blocking=True)
    return grpc.stream_stream_rpc_method_handler(pooled)


def _stopping() -> NbaError:
    return Unavailable("the server is stopping", reason="SERVER_STOPPING")


def _idle(seconds: float) -> NbaError:
    return DeadlineExceeded(
        f"nothing was sent or read for {seconds:g} s",
        reason="STREAM_IDLE",
        metadata={"idle_seconds": f"{seconds:g}"},
    )
