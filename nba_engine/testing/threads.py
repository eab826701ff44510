"""Calls from several threads at once, with what they raise handed back."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

__all__ = ["in_threads"]

_A = TypeVar("_A")
_R = TypeVar("_R")


def in_threads(
    function: Callable[[_A], _R], arguments: Sequence[_A], *, threads: int = 4
) -> list[_R]:
    """``[function(a) for a in arguments]``, by several threads that take turns very often.

    Every thread computes the whole list, and all lists must be equal: that is how shared state
    shows. Raises what a thread raised, and `AssertionError` when two of them differ.
    """
    lists: list[list[_R] | BaseException] = [[] for _ in range(threads)]
    start = threading.Barrier(threads)

    def run(number: int) -> None:
        try:
            start.wait()
            lists[number] = [function(argument) for argument in arguments]
        except BaseException as error:
            lists[number] = error

    with _impatient():
        running = [threading.Thread(target=run, args=(n,), daemon=True) for n in range(threads)]
        for thread in running:
            thread.start()
        for thread in running:
            thread.join()
    results: list[list[_R]] = []
    for found in lists:
        if isinstance(found, BaseException):
            raise found
        results.append(found)
    for other in results[1:]:
        assert other == results[0], "two threads came to different results from the same input"
    return results[0]


@contextmanager
def _impatient() -> Iterator[None]:
    """Let threads interrupt each other every few microseconds."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(5e-6)
    try:
        yield
    finally:
        sys.setswitchinterval(before)
