"""An actor as a worker: it keeps partitions, and answers one task at a time."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import ray

from nba_engine.batch import Answer, Events, Residents, Task, failure_of, sendable

__all__ = ["ActorWorker"]


class Holder:
    """What runs in the actor. Tasks and answers travel pickled: exceptions are told by us."""

    def __init__(self, build: bytes) -> None:
        self._residents = Residents(pickle.loads(build))  # noqa: S301 - the driver wrote it

    def do(self, task: bytes) -> bytes:
        """Carry out a task; the answer, pickled."""
        try:
            return pickle.dumps(self._residents.do(pickle.loads(task)))  # noqa: S301
        except Exception as error:  # what cannot be sent to or fro
            return pickle.dumps((False, failure_of(error)))


class ActorWorker:
    """Drives one actor. Ray neither restarts it nor repeats calls: whoever drives does."""

    def __init__(self, build: Callable[[Any], Any], events: Events, *, cpus: int) -> None:
        """``cpus``: how many the first actor takes; 0 where there is nobody to share them with."""
        self.starts = 0
        self._cpus = cpus
        self._build = pickle.dumps(build)
        self._events = events
        self._actor: Any = None
        self._ending = ""

    def start(self) -> None:
        """A new actor. Only the first takes CPUs, so that one whose node is gone finds a place."""
        self.stop(at_once=True)
        cpus = 0 if self.starts else self._cpus
        self.starts += 1
        options = {"num_cpus": cpus, "max_restarts": 0, "scheduling_strategy": "SPREAD"}
        self._actor = ray.remote(Holder).options(**options).remote(self._build)

    def give(self, task: Task) -> None:
        """Hand over a task."""
        start = self.starts
        future: Future[bytes] = self._actor.do.remote(sendable(task)).future()
        future.add_done_callback(lambda done: self._answered(start, done))

    def stop(self, *, at_once: bool) -> None:  # noqa: ARG002 - an actor without a task has nothing to lose
        """End the actor."""
        if self._actor is not None:
            ray.kill(self._actor)
            self._actor = None

    def join(self) -> None:
        """Ray sees to it."""

    def ending(self) -> str:
        """How it ended, as Ray has it."""
        return self._ending or "its actor died"

    def _answered(self, start: int, done: Future[bytes]) -> None:
        error = done.exception()
        if error is None:
            answer: Answer | None = pickle.loads(done.result())  # noqa: S301 - from our actor
        else:  # the actor, its node or the way there: Residents.do raises nothing
            lines = str(error).strip().splitlines()
            self._ending = f"{type(error).__name__}: {lines[0] if lines else 'no message'}"
            answer = None
        self._events.put((self, start, answer))
