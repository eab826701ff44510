"""Methods on threads of their own: what gRPC looks for on the function behind a method."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, cast

from nba_engine.server.workers import Workers

__all__ = ["Pooled", "pool_of"]


class Pooled:
    """A behavior that gRPC runs on a pool of its own.

    ``non_blocking`` means that it sends its responses by a callback instead of yielding them.
    """

    def __init__(
        self, behavior: Callable[..., Any], pool: ThreadPoolExecutor, *, non_blocking: bool = False
    ) -> None:
        self._behavior = behavior
        self.experimental_thread_pool = pool
        self.experimental_non_blocking = non_blocking

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        return self._behavior(*arguments, **options)


def pool_of(workers: Workers) -> ThreadPoolExecutor:
    """Workers in the one class that gRPC takes for the pool of a single method."""
    return _Submitting(workers)


class _Submitting(ThreadPoolExecutor):
    def __init__(self, workers: Workers) -> None:
        super().__init__(1)  # which would start a thread with the first `submit` of its own
        self._workers = workers

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        del kwargs  # gRPC passes none
        return cast("Future[Any]", self._workers.submit(fn, *args))
