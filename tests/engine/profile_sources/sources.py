"""Profile sources for tests: they answer from a dict, count, wait until they are let go, fail."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence

from nba_engine.domain import Values
from nba_engine.engine.profile_sources import Asking, Kept, Memory
from nba_engine.pipeline import Breaker

WANTED = {"age": "int", "city": "string"}


class Crm:
    """Answers at once, unless it is held; notes every call."""

    def __init__(self, customers: Mapping[str, Values] | None = None, *, batch: int = 1) -> None:
        self.customers = dict(customers or {})
        self.batch = batch
        self.calls: list[tuple[str, ...]] = []
        self.running = 0
        self.most = 0  # calls at once, so far
        self.fails: BaseException | None = None
        self.closed = 0
        self._lock = threading.Lock()
        self._free = threading.Event()
        self._free.set()
        self.entered = threading.Semaphore(0)

    def hold(self) -> None:
        """Let calls wait until `release`."""
        self._free.clear()

    def release(self) -> None:
        self._free.set()

    def fetch(
        self, ids: Sequence[str], wanted: Mapping[str, str], *, seconds: float
    ) -> Mapping[str, Values]:
        with self._lock:
            self.calls.append(tuple(ids))
            self.running += 1
            self.most = max(self.most, self.running)
        self.entered.release()
        self._free.wait(30)
        with self._lock:
            self.running -= 1
        if self.fails is not None:
            raise self.fails
        return {key: self.customers[key] for key in ids if key in self.customers}

    def close(self) -> None:
        self.closed += 1


def asking(
    source: Crm,
    *,
    timeout: float = 10.0,
    max_parallel: int = 4,
    ttl: float = 60.0,
    stale_ttl: float = 60.0,
    negative_ttl: float = 60.0,
    failures: int = 3,
    clock: Callable[[], float] = time.monotonic,
) -> Asking:
    memory = Memory(most=1000, ttl=ttl, stale_ttl=stale_ttl, negative_ttl=negative_ttl, clock=clock)
    return Asking(
        "crm",
        source,
        memory=memory,
        breaker=Breaker(failures, 60.0),
        timeout=timeout,
        max_parallel=max_parallel,
    )


def answer(one: Asking, key: str, *, within: float = 10.0) -> Kept | None:
    """What a decision would get of a customer."""
    found = one.ask(key, WANTED)
    if found is None or isinstance(found, Kept):
        return found
    return one.wait(found, time.monotonic() + within)


def wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < until
        threading.Event().wait(0.002)
