"""Interactions recorded by batches from a thread of their own."""

from __future__ import annotations

import atexit
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from datetime import datetime
from types import TracebackType
from typing import Protocol, Self

from nba_engine._gen.nba.v1.interaction_service_pb2 import RecordInteractionsRequest
from nba_engine.client.errors import (
    ClientClosed,
    Internal,
    NbaClientError,
    NotDelivered,
    QueueFull,
)
from nba_engine.client.interactions import Interaction, InteractionResult, new_interaction
from nba_engine.client.outbox import (
    Entry,
    Outbox,
    Undeliverable,
    entry_of,
    note_loss,
    request_of,
    time_for,
)
from nba_engine.client.values import Value

__all__ = ["InteractionBatcher"]


class _Record(Protocol):
    def __call__(
        self, message: RecordInteractionsRequest, timeout: float, /
    ) -> Sequence[InteractionResult]: ...


class InteractionBatcher:
    """Collects interactions and records them in the background, in the order they were added.

    A batch goes out when ``max_batch`` wait, or when the oldest has waited ``max_wait`` seconds.
    At most ``max_queue`` are held: then `add` waits for room. Each is tried for ``timeout``
    seconds, whatever the server's troubles; recording twice has no effect, for each has its id.

    Nothing is lost without a word: what could not be delivered fails its ticket, and goes to
    ``on_undelivered`` (on the batcher's thread) or, without one, is raised as `NotDelivered` by
    `flush` and `close`. Leaving a ``with`` block closes, and so do the client's `close` and the
    end of the interpreter.
    """

    def __init__(
        self,
        record: _Record,
        *,
        max_batch: int,
        max_wait: float,
        max_queue: int,
        timeout: float,
        on_undelivered: Undeliverable | None,
    ) -> None:
        self._record = record
        self._max_wait = max_wait
        self._timeout = timeout
        self._outbox = Outbox(max_batch=max_batch, max_queue=max_queue, told=on_undelivered)
        self._changed = threading.Condition()
        self._flush_through = 0
        self.closed = False
        self._thread = threading.Thread(target=self._run, name="nba-interactions", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    def add(
        self,
        *,
        identity: str,
        type: str,  # noqa: A002 - the API's word
        interaction_time: datetime | None = None,
        properties: Mapping[str, Value] | None = None,
        recommendation_id: str = "",
        interaction_id: str = "",
        wait: float | None = None,
    ) -> Future[InteractionResult]:
        """Accept what happened; see `put`."""
        return self.put(
            new_interaction(
                identity,
                type,
                interaction_time=interaction_time,
                properties=properties,
                recommendation_id=recommendation_id,
                interaction_id=interaction_id,
            ),
            wait=wait,
        )

    def put(
        self, interaction: Interaction, *, wait: float | None = None
    ) -> Future[InteractionResult]:
        """Accept an interaction; its ticket has a result when it is durable, and not before.

        Waits up to ``wait`` seconds for room (default: the batcher's timeout), then `QueueFull`.
        `NotDelivered` when it is full of what was given up and never reported. In both cases this
        interaction was not accepted. Cancelling a ticket withdraws nothing.
        """
        ticket: Future[InteractionResult] = Future()
        ticket.set_running_or_notify_cancel()
        patience = self._timeout if wait is None else wait
        if threading.current_thread() is self._thread:  # in on_undelivered: nobody makes room
            patience = 0.0
        with self._changed:
            self._changed.wait_for(lambda: self.closed or not self._outbox.crowded, patience)
            if self.closed:
                raise ClientClosed("the batcher was closed")
            if self._outbox.full:
                self._outbox.report()
                raise QueueFull(f"no room for one more interaction within {patience:g} s")
            entry = entry_of(
                self._outbox.numbers + 1, interaction, time.monotonic(), self._timeout, ticket
            )
            self._outbox.put(entry)
            self._changed.notify_all()
        return ticket

    def flush(self) -> None:
        """Send now all that was added before, and wait until it is durable.

        Raises `NotDelivered` with what was given up since the last report.
        """
        if threading.current_thread() is self._thread:
            raise RuntimeError("flush in on_undelivered would wait for itself")
        with self._changed:
            through = self._outbox.numbers
            self._flush_through = max(self._flush_through, through)
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._outbox.settled(through))
            self._outbox.report()

    def close(self) -> None:
        """Flush and end. Raises `NotDelivered` with what was given up since the last report."""
        atexit.unregister(self.close)
        with self._changed:
            self.closed = True
            self._flush_through = self._outbox.numbers
            self._changed.notify_all()
        self._thread.join()
        with self._changed:
            self._outbox.report()

    @property
    def done(self) -> bool:
        """Whether it was closed, and everything reported."""
        return self.closed and self._outbox.empty

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.close()
        except NotDelivered as lost:
            if error is None:
                raise
            note_loss(lost, error)

    def _run(self) -> None:
        """The thread: one call at a time, so that order is kept."""
        try:
            while batch := self._next():
                self._send(batch)
        except BaseException as error:
            text = f"the batcher's thread ended with {type(error).__name__}"
            with self._changed:
                self.closed = True
                self._outbox.abandon(Internal(text))
                self._changed.notify_all()
            raise

    def _next(self) -> list[Entry]:
        """Wait for a batch; empty when the batcher was closed and nothing is left."""
        with self._changed:
            while True:
                oldest = self._outbox.oldest
                if oldest is None:
                    if self.closed:
                        return []
                    self._changed.wait()
                    continue
                left = oldest.added + self._max_wait - time.monotonic()
                if left <= 0 or self._outbox.ready or self._flush_through >= oldest.number:
                    batch = self._outbox.take(time.monotonic())
                    self._changed.notify_all()  # what was too late has made room
                    if batch:
                        return batch
                else:
                    self._changed.wait(left)

    def _send(self, batch: list[Entry]) -> None:
        delay = 0.0
        try:
            results = self._record(request_of(batch), time_for(batch, time.monotonic()))
        except NbaClientError as error:
            with self._changed:
                delay = self._outbox.failed(batch, error, time.monotonic())
                self._changed.notify_all()
        else:
            with self._changed:
                self._outbox.delivered(batch, results)
                self._changed.notify_all()
        if delay:
            time.sleep(delay)
