"""StreamInteractions for asyncio: a stream that goes on when its connection does not."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from contextlib import suppress
from typing import Any

import grpc

from nba_engine.client.aio_connection import AioConnection
from nba_engine.client.errors import NbaClientError, Unavailable
from nba_engine.client.interactions import Interaction, InteractionResult
from nba_engine.client.options import Metadata
from nba_engine.client.unacknowledged import METHOD, Unacknowledged

__all__ = ["AioRecording"]


class AioRecording(AioConnection):
    """Records what a source yields, as it comes."""

    async def stream_interactions(
        self,
        interactions: Iterable[Interaction] | AsyncIterable[Interaction],
        *,
        ahead: int = 1000,
        max_batch: int = 100,
        timeout: float = 30.0,
        metadata: Metadata = (),
    ) -> AsyncIterator[InteractionResult]:
        """As `Client.stream_interactions`; ``interactions`` is read by a task of its own."""
        waiting = Unacknowledged(ahead=ahead, max_batch=max_batch, patience=timeout)
        source = _Source(interactions, waiting)
        terms = self._defaults.terms({"metadata": metadata})
        reader = asyncio.get_running_loop().create_task(source.read())
        try:
            while await source.wait():
                call = self._open().interactions.StreamInteractions(metadata=terms.metadata)
                writer = asyncio.get_running_loop().create_task(source.write(call))
                try:
                    async for response in call:
                        async with source.changed:
                            results = waiting.results(response)
                            source.changed.notify_all()
                        for result in results:
                            yield result
                    error: NbaClientError = Unavailable(
                        "the server ended the stream early", method=METHOD
                    )
                except grpc.RpcError as broken:
                    error = self._error(broken, METHOD, None)
                except NbaClientError as failed:
                    error = failed
                finally:
                    writer.cancel()
                    call.cancel()
                if not waiting.empty:
                    await asyncio.sleep(waiting.pause(error, time.monotonic()))
            source.raise_failure()
        finally:
            reader.cancel()


class _Source:
    """Reads what there is to record, as far ahead as there is room."""

    def __init__(
        self,
        interactions: Iterable[Interaction] | AsyncIterable[Interaction],
        waiting: Unacknowledged,
    ) -> None:
        self._interactions = interactions
        self._waiting = waiting
        self.changed = asyncio.Condition()
        self._read = False  # to its end
        self._failure: BaseException | None = None

    async def wait(self) -> bool:
        """Wait for something to send on a new stream; False when everything is acknowledged."""
        async with self.changed:
            await self.changed.wait_for(lambda: not self._waiting.empty or self._read)
            self._waiting.begin()
            return not self._waiting.empty

    async def write(self, call: Any) -> None:
        """Send the messages of one stream, until it is broken or everything is sent."""
        with suppress(grpc.RpcError, asyncio.InvalidStateError):  # whoever reads is told why
            while True:
                async with self.changed:
                    await self.changed.wait_for(lambda: self._waiting.to_send or self._read)
                    if not self._waiting.to_send:
                        break
                    message = self._waiting.message()
                await call.write(message)
            await call.done_writing()

    async def read(self) -> None:
        """Take in interactions while there is room."""
        try:
            async for interaction in _one_by_one(self._interactions):
                async with self.changed:
                    await self.changed.wait_for(lambda: not self._waiting.full)
                    self._waiting.put(interaction)
                    self.changed.notify_all()
        except (Exception, asyncio.CancelledError) as error:
            self._failure = error  # raised by whoever reads the results
        finally:
            async with self.changed:
                self._read = True
                self.changed.notify_all()

    def raise_failure(self) -> None:
        """Raise how the source ended, if that was by an exception."""
        if self._failure is not None:
            raise self._failure


async def _one_by_one(
    interactions: Iterable[Interaction] | AsyncIterable[Interaction],
) -> AsyncIterator[Interaction]:
    if isinstance(interactions, AsyncIterable):
        async for interaction in interactions:
            yield interaction
    else:
        for interaction in interactions:
            yield interaction
            await asyncio.sleep(0)  # the others have their turn, too
