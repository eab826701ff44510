"""What a worker does, be it a thread or a process: build partitions, keep them, compute on them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import msgspec

from nba_engine.batch.failures import Failure, failure_of

__all__ = ["Answer", "Build", "Call", "Residents", "Task"]


class Build(msgspec.Struct, frozen=True):
    """Build a partition, and keep it."""

    number: int
    partition: Any


class Call(msgspec.Struct, frozen=True):
    """Compute on a partition that was built."""

    number: int
    fn: Callable[[Any, Any], Any]
    state: Any


Task: TypeAlias = Build | Call
Answer: TypeAlias = tuple[bool, Any]
"""Whether it went well; what came of it, or the `Failure`."""


class Residents:
    """The partitions of one worker."""

    def __init__(self, build: Callable[[Any], Any]) -> None:
        self._build = build
        self._built: dict[int, Any] = {}

    def do(self, task: Task) -> Answer:
        """Carry out a task; never raises."""
        try:
            if isinstance(task, Build):
                self._built[task.number] = self._build(task.partition)
                return True, None
            return True, task.fn(self._built[task.number], task.state)
        # what runs here is foreign: whatever it raises is told to whoever waits for it
        except BaseException as error:
            failed: Failure = failure_of(error)
            return False, failed
