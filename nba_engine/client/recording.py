"""StreamInteractions for threads: a stream that goes on when its connection does not."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator

import grpc

from nba_engine._gen.nba.v1.interaction_service_pb2 import StreamInteractionsRequest
from nba_engine.client.connection import Connection
from nba_engine.client.errors import NbaClientError, Unavailable
from nba_engine.client.interactions import Interaction, InteractionResult
from nba_engine.client.options import Metadata
from nba_engine.client.unacknowledged import METHOD, Unacknowledged

__all__ = ["Recording"]


class Recording(Connection):
    """Records what a source yields, as it comes."""

    def stream_interactions(
        self,
        interactions: Iterable[Interaction],
        *,
        ahead: int = 1000,
        max_batch: int = 100,
        timeout: float = 30.0,
        metadata: Metadata = (),
    ) -> Iterator[InteractionResult]:
        """Record interactions as they come; a result for each, in order, when it is durable.

        ``interactions`` is read on another thread, at most ``ahead`` beyond what is acknowledged:
        whoever does not read results is not read from. What is there is sent at once, up to
        ``max_batch`` together. A malformed one is ``rejected`` alone.

        When the connection breaks or the server is away, the stream is opened again, and what was
        not acknowledged is sent again, for up to ``timeout`` seconds without an acknowledgement;
        then the error is raised, and the results tell what was recorded. What the server had
        recorded already is a ``duplicate`` then. An exception of ``interactions`` is raised after
        the results before it.
        """
        waiting = Unacknowledged(ahead=ahead, max_batch=max_batch, patience=timeout)
        source = _Source(interactions, waiting)
        terms = self._defaults.terms({"metadata": metadata})
        try:
            while source.wait():
                self._open()
                call = self._interactions.StreamInteractions(
                    source.messages(), metadata=terms.metadata
                )
                try:
                    for response in call:
                        with source.changed:
                            results = waiting.results(response)
                            source.changed.notify_all()
                        yield from results
                    error: NbaClientError = Unavailable(
                        "the server ended the stream early", method=METHOD
                    )
                except grpc.RpcError as broken:
                    error = self._error(broken, METHOD, None)
                except NbaClientError as failed:
                    error = failed
                finally:
                    source.end_messages()
                    call.cancel()
                if not waiting.empty:
                    time.sleep(waiting.pause(error, time.monotonic()))
            source.raise_failure()
        finally:
            source.close()


class _Source:
    """Reads what there is to record, on a thread of its own, as far ahead as there is room."""

    def __init__(self, interactions: Iterable[Interaction], waiting: Unacknowledged) -> None:
        self._interactions = interactions
        self._waiting = waiting
        self.changed = threading.Condition()
        self._read = False  # to its end
        self._failure: BaseException | None = None
        self._closed = False
        self._stream = 0  # its number
        thread = threading.Thread(target=self._run, name="nba-stream-interactions", daemon=True)
        thread.start()

    def wait(self) -> bool:
        """Wait for something to send on a new stream; False when everything is acknowledged."""
        with self.changed:
            self.changed.wait_for(lambda: not self._waiting.empty or self._read)
            self._waiting.begin()
            return not self._waiting.empty

    def messages(self) -> Iterator[StreamInteractionsRequest]:
        """The messages of one stream, until it is broken or everything is sent."""
        return self._messages(self._stream)

    def _messages(self, stream: int) -> Iterator[StreamInteractionsRequest]:
        while True:
            with self.changed:
                self.changed.wait_for(
                    lambda: self._stream != stream or self._waiting.to_send or self._read
                )
                if self._stream != stream or not self._waiting.to_send:
                    return
                message = self._waiting.message()
            yield message

    def end_messages(self) -> None:
        """The stream is over."""
        with self.changed:
            self._stream += 1
            self.changed.notify_all()

    def raise_failure(self) -> None:
        """Raise how the source ended, if that was by an exception."""
        if self._failure is not None:
            raise self._failure

    def close(self) -> None:
        """Read no further."""
        with self.changed:
            self._closed = True
            self.changed.notify_all()

    def _run(self) -> None:
        try:
            for interaction in self._interactions:
                with self.changed:
                    self.changed.wait_for(lambda: self._closed or not self._waiting.full)
                    if self._closed:
                        return
                    self._waiting.put(interaction)
                    self.changed.notify_all()
        except BaseException as error:  # raised on the caller's thread
            self._failure = error
        finally:
            with self.changed:
                self._read = True
                self.changed.notify_all()
