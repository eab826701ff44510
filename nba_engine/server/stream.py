"""One open stream, and how requests and responses take turns on it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Literal, Protocol, TypeAlias

import grpc

from nba_engine.server.calls import Call
from nba_engine.server.failures import Failure

__all__ = ["Conversation", "Send", "State", "Stream", "in_turns"]

Send: TypeAlias = Callable[[bytes | None], None]  # None: there is nothing more to send
State: TypeAlias = Literal["waiting", "working", "sending", "ended"]


class Stream:
    """One open stream. Who moves it to "ended" sends its status, and nobody else.

    It is "waiting" when everything that was received is answered.
    """

    def __init__(
        self,
        method: str,
        context: grpc.ServicerContext,
        send: Send,
        stopping: threading.Event,
        stopped: Callable[[Stream], None],
    ) -> None:
        """``stopped`` ends a stream that waits; `pause` calls it when the server is ``stopping``."""
        self.method = method
        self._context = context
        self._lock = threading.Lock()
        self._stopping = stopping
        self._stopped = stopped
        self.call = Call.of(context)
        self.send = send
        self.state: State = "waiting"
        self.since = time.monotonic()  # when it came into this state

    @property
    def stopping(self) -> bool:
        """Whether the server stops: nothing more is to be taken in."""
        return self._stopping.is_set()

    def turn(self, before: State, after: State) -> bool:
        """Move on from one state to another; False when it is not in the first."""
        with self._lock:
            if self.state != before:
                return False
            self.state = after
            self.since = time.monotonic()
            return True

    def pause(self) -> None:
        """It waits: the moment to end it if the server stops."""
        if self._stopping.is_set():
            self._stopped(self)

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


class Conversation(Protocol):
    """All that is said on one stream. Returns when it has ended, or leaves by an exception.

    What raises on purpose is answered by the conversation: whatever gets out is a failure nobody
    foresaw.
    """

    def __call__(self, stream: Stream, requests: Iterator[bytes], /) -> None: ...


def in_turns(answer: Callable[[bytes, Call], bytes]) -> Conversation:
    """A response for each request, in order.

    The next request is received when the response to the one before has been sent, so that nothing
    piles up in here: a client that does not read is not read from.
    """

    def converse(stream: Stream, requests: Iterator[bytes], /) -> None:
        stream.pause()
        for body in requests:
            if not stream.turn("waiting", "working"):
                return  # ended in the meantime: this request is not looked at
            response = answer(body, stream.call)
            stream.turn("working", "sending")
            stream.send(response)
            stream.turn("sending", "waiting")
            stream.pause()
        if stream.turn("waiting", "ended"):
            stream.finish(None)

    return converse
