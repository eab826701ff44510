"""Interactions recorded by batches from a task of their own."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from types import TracebackType
from typing import Self

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

__all__ = ["AioInteractionBatcher"]

_LOG = logging.getLogger("nba_engine.client")


class AioInteractionBatcher:
    """As `InteractionBatcher`, on an event loop: one task sends, `add` waits for room.

    A loop that ends while interactions are held gives them up and logs how many: leave the ``async
    with`` block, or await `close`, before.
    """

    def __init__(
        self,
        record: Callable[
            [RecordInteractionsRequest, float], Awaitable[Sequence[InteractionResult]]
        ],
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
        self._changed = asyncio.Condition()
        self._flush_through = 0
        self.closed = False
        self._task = asyncio.get_running_loop().create_task(self._run(), name="nba-interactions")

    async def add(
        self,
        *,
        identity: str,
        type: str,  # noqa: A002 - the API's word
        interaction_time: datetime | None = None,
        properties: Mapping[str, Value] | None = None,
        recommendation_id: str = "",
        interaction_id: str = "",
        wait: float | None = None,
    ) -> asyncio.Future[InteractionResult]:
        """Accept what happened; see `put`."""
        return await self.put(
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

    async def put(
        self, interaction: Interaction, *, wait: float | None = None
    ) -> asyncio.Future[InteractionResult]:
        """Accept an interaction; its ticket has a result when it is durable, and not before.

        As `InteractionBatcher.put`. Cancelling a ticket withdraws nothing.
        """
        ticket: asyncio.Future[InteractionResult] = asyncio.get_running_loop().create_future()
        # a failure is reported by flush and close, so that nobody has to look at each ticket
        ticket.add_done_callback(lambda done: done.cancelled() or done.exception())
        patience = self._timeout if wait is None else wait
        async with self._changed:
            with suppress(TimeoutError):
                async with asyncio.timeout(patience):
                    await self._changed.wait_for(lambda: self.closed or not self._outbox.crowded)
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

    async def flush(self) -> None:
        """Send now all that was added before, and wait until it is durable.

        Raises `NotDelivered` with what was given up since the last report.
        """
        async with self._changed:
            through = self._outbox.numbers
            self._flush_through = max(self._flush_through, through)
            self._changed.notify_all()
            await self._changed.wait_for(lambda: self._outbox.settled(through))
            self._outbox.report()

    async def close(self) -> None:
        """Flush and end. Raises `NotDelivered` with what was given up since the last report."""
        async with self._changed:
            self.closed = True
            self._flush_through = self._outbox.numbers
            self._changed.notify_all()
        with suppress(asyncio.CancelledError):  # the task's: a cancelled caller is told below
            await asyncio.shield(asyncio.gather(self._task, return_exceptions=True))
        if not self._task.done():
            raise asyncio.CancelledError
        self._outbox.report()

    @property
    def done(self) -> bool:
        """Whether it was closed, and everything reported."""
        return self.closed and self._outbox.empty

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            await self.close()
        except NotDelivered as lost:
            if error is None:
                raise
            note_loss(lost, error)

    async def _run(self) -> None:
        """The task: one call at a time, so that order is kept."""
        try:
            while batch := await self._next():
                await self._send(batch)
        except BaseException as error:
            self.closed = True
            left = self._outbox.abandon(
                Internal(f"the batcher's task ended with {type(error).__name__}")
            )
            _LOG.error("%d interactions were not delivered: %r", left, error)
            raise

    async def _next(self) -> list[Entry]:
        """Wait for a batch; empty when the batcher was closed and nothing is left."""
        async with self._changed:
            while True:
                oldest = self._outbox.oldest
                if oldest is None:
                    if self.closed:
                        return []
                    await self._changed.wait()
                    continue
                left = oldest.added + self._max_wait - time.monotonic()
                if left <= 0 or self._outbox.ready or self._flush_through >= oldest.number:
                    batch = self._outbox.take(time.monotonic())
                    self._changed.notify_all()  # what was too late has made room
                    if batch:
                        return batch
                else:
                    with suppress(TimeoutError):
                        async with asyncio.timeout(left):
                            await self._changed.wait()

    async def _send(self, batch: list[Entry]) -> None:
        delay = 0.0
        try:
            results = await self._record(request_of(batch), time_for(batch, time.monotonic()))
        except NbaClientError as error:
            delay = self._outbox.failed(batch, error, time.monotonic())
        else:
            self._outbox.delivered(batch, results)
        async with self._changed:
            self._changed.notify_all()
        await asyncio.sleep(delay)
