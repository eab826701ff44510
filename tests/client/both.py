"""Both clients behind one face, so that each test holds for threads and for asyncio."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Self

from nba_engine.client import AioClient, Client
from nba_engine.domain import Interaction, InteractionResult
from tests.server.small import Served, SmallEngine, serving

KINDS = ("threads", "asyncio")


class OnLoop:
    """An `AioClient` or its batcher: what it returns is awaited on a loop of another thread."""

    def __init__(self, made: Callable[[], Any], loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.inner = self.wait(self._make(made))

    async def _make(self, made: Callable[[], Any]) -> Any:
        return made()

    def wait(self, answer: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(answer, self.loop).result()

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.inner, name)
        if not callable(method):
            return method
        if name == "interactions":
            return lambda **given: OnLoop(lambda: method(**given), self.loop)

        def call(*args: Any, **given: Any) -> Any:
            answer = method(*args, **given)
            if inspect.isasyncgen(answer):
                return Stream(self, answer)
            found = self.wait(answer)
            return AioTicket(self, found) if isinstance(found, asyncio.Future) else found

        return call

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.wait(self.inner.__aexit__(*error))


class Stream:
    """An async generator, read from here."""

    def __init__(self, owner: OnLoop, inner: Any) -> None:
        self.owner, self.inner = owner, inner

    def __iter__(self) -> Stream:
        return self

    def __next__(self) -> Any:
        try:
            return self.owner.wait(self._next())
        except StopAsyncIteration:
            raise StopIteration from None

    async def _next(self) -> Any:
        return await anext(self.inner)

    def close(self) -> None:
        self.owner.wait(self.inner.aclose())


class AioTicket:
    """A future of the loop, waited for from here."""

    def __init__(self, owner: OnLoop, inner: asyncio.Future[Any]) -> None:
        self.owner, self.inner = owner, inner

    def result(self, timeout: float = 20) -> Any:
        if self.inner.done():
            return self.inner.result()
        return self.owner.wait(asyncio.wait_for(asyncio.shield(self.inner), timeout))

    def exception(self, timeout: float = 20) -> BaseException | None:
        if not self.inner.done():
            self.owner.wait(asyncio.wait([self.inner], timeout=timeout))
        return self.inner.exception()

    def done(self) -> bool:
        return self.inner.done()

    def cancel(self) -> bool:
        self.owner.loop.call_soon_threadsafe(self.inner.cancel)
        return True


@contextmanager
def connected(kind: str, target: str, **given: Any) -> Iterator[Any]:
    """A client of a kind; what leaving it raises is raised here."""
    if kind == "threads":
        with Client(target, **given) as client:
            yield client
        return
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        with OnLoop(lambda: AioClient(target, **given), loop) as client:
            yield client
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


class TroubledEngine(SmallEngine):
    """Fails as often as there are troubles, then heals; remembers who called."""

    def __init__(self, *troubles: Exception) -> None:
        super().__init__()
        self.troubles = deque(troubles)
        self.calls = 0
        self.recorded: list[Sequence[Interaction]] = []

    def _fail(self) -> None:
        self.calls += 1
        if self.troubles:
            raise self.troubles.popleft()

    def record(self, interactions: Sequence[Interaction]) -> Sequence[InteractionResult]:
        self.recorded.append(interactions)
        return super().record(interactions)


@contextmanager
def serving_troubled(*troubles: Exception, **settings: Any) -> Iterator[tuple[Served, Any]]:
    """A server whose first calls fail, and its engine."""
    engine = TroubledEngine(*troubles)
    with serving(engine, **settings) as served:
        yield served, engine


def target_of(served: Served) -> str:
    return f"127.0.0.1:{served.port}"
