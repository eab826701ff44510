"""Drives workers: who does what next, who has died, who takes too long, what came of it."""

from __future__ import annotations

import queue
import time
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any, Generic, NoReturn, TypeVar

from nba_engine.batch.failures import named, raise_failure
from nba_engine.batch.resident import Answer, Build, Call, Task
from nba_engine.batch.workers import Events, Worker
from nba_engine.domain import Adding, Progress, Sums
from nba_engine.errors import FailedPrecondition, PartitionFailed

__all__ = ["Driven"]

_AHEAD = 4  # answers held back beyond one per worker
_DEATHS = 3  # of workers over one partition, until it is the partition's fault

S = TypeVar("S")
T = TypeVar("T")
R = TypeVar("R")


class _Desk:
    """A worker with what it has built, and the partition it is at."""

    def __init__(self, worker: Worker, numbers: Sequence[int]) -> None:
        self.worker = worker
        self.numbers = numbers
        self.waiting: deque[int] = deque()
        self.built: set[int] = set()
        self.task: Task | None = None
        self.seconds = self.until = 0.0
        self.alive = False

    def give(self, task: Task, seconds: float) -> None:
        """Hand over a task; a worker that is not there is started."""
        if not self.alive:
            self.built.clear()
            self.worker.start()
            self.alive = True
        self.task, self.seconds, self.until = task, seconds, time.monotonic() + seconds
        try:
            self.worker.give(task)
        except TypeError:
            self.task = None
            raise
        except OSError:
            pass  # it has died, and that is told by its event

    def abandon(self) -> None:
        """End the worker, whatever it is doing; the next task finds a new one."""
        self.worker.stop(at_once=True)
        self.worker.join()
        self.alive, self.task = False, None


class Driven(Generic[S]):
    """Partitions in workers, wherever these are. One call at a time; see `Batch`."""

    def __init__(
        self,
        workers: Sequence[Worker],
        events: Events,
        partitions: Sequence[Any],
        *,
        patience: float,
    ) -> None:
        self._partitions = partitions
        self._events = events
        self._patience = patience
        count = len(workers)
        numbers = range(len(partitions))
        self._desks = [_Desk(each, numbers[at::count]) for at, each in enumerate(workers)]
        self._busy = False
        self._closed = False

    def build(self, progress: Progress | None) -> None:
        """Build every partition."""
        self._all(_nothing, None, self._patience, progress, lambda _number, _answer: None)

    def map_reduce(
        self,
        fn: Callable[[S, T], Sums],
        state: T,
        *,
        seconds: float | None = None,
        progress: Progress | None = None,
    ) -> Sums:
        """The sums of all partitions; see `Batch`."""
        adding = Adding()

        def take(number: int, answer: Any) -> None:
            try:
                adding.take(number, answer)
            except PartitionFailed as error:
                at = error.partition
                raise PartitionFailed(
                    f"{self._named(at)}: {error.message}", partition=at
                ) from error

        self._all(fn, state, seconds, progress, take)
        return adding.total

    def each(
        self, fn: Callable[[S, T], R], state: T, *, seconds: float | None = None
    ) -> Iterator[R]:
        """The answers of the partitions, in their order; see `Batch`."""
        early: dict[int, R] = {}
        following = 0

        def near(number: int) -> bool:
            return number < following + len(self._desks) + _AHEAD

        answers = self._answers(fn, state, seconds or self._patience, near)
        try:
            for number, answer in answers:
                early[number] = answer
                while following in early:
                    yield early.pop(following)
                    following += 1
        finally:
            answers.close()

    def close(self) -> None:
        """End the workers."""
        if self._closed:
            return
        self._closed = True
        for desk in self._desks:
            if desk.alive:
                desk.worker.stop(at_once=desk.task is not None)
        for desk in self._desks:
            if desk.alive:
                desk.worker.join()
            desk.alive, desk.task = False, None

    def _all(
        self,
        fn: Callable[[S, T], Any],
        state: T,
        seconds: float | None,
        progress: Progress | None,
        take: Callable[[int, Any], None],
    ) -> None:
        count = len(self._partitions)
        answers = self._answers(fn, state, seconds or self._patience, lambda _: True)
        try:
            for done, (number, answer) in enumerate(answers, 1):
                take(number, answer)
                if progress is not None:
                    progress(done, count)
        except Exception as error:  # of `take` or `progress`: what is under way ends first
            answers.throw(error)
        finally:
            answers.close()

    def _answers(
        self, fn: Callable[[S, T], R], state: T, seconds: float, near: Callable[[int], bool]
    ) -> Generator[tuple[int, R]]:
        """Number and answer of each partition, as they come; ``near``: may it be begun yet."""
        if self._closed:
            raise FailedPrecondition("the batch is closed")
        if self._busy:
            raise FailedPrecondition("the batch is at another call; it does one at a time")
        self._busy = True
        deaths: Counter[int] = Counter()
        for desk in self._desks:
            desk.waiting = deque(desk.numbers)
        try:
            while any(desk.waiting for desk in self._desks):
                for desk in self._desks:
                    if desk.task is None and desk.waiting and near(desk.waiting[0]):
                        self._begin(desk, fn, state, seconds)
                found = self._event(deaths)
                if found is None:
                    continue
                desk, answer = found
                number = desk.waiting[0]
                went_well, what = answer
                if not went_well:
                    raise_failure(
                        what,
                        number=number,
                        count=len(self._partitions),
                        partition=self._partitions[number],
                    )
                if number not in desk.built:
                    desk.built.add(number)
                    continue
                desk.waiting.popleft()
                yield number, what
            self._rest()
        except Exception:
            self._rest()
            raise
        except BaseException:  # Ctrl-C, or nobody wants the rest
            for desk in self._desks:
                if desk.task is not None:
                    desk.abandon()
            raise
        finally:
            self._busy = False

    def _begin(
        self, desk: _Desk, fn: Callable[[Any, Any], Any], state: Any, seconds: float
    ) -> None:
        number = desk.waiting[0]
        if number in desk.built and desk.alive:
            desk.give(Call(number, fn, state), seconds)
        else:
            desk.give(Build(number, self._partitions[number]), self._patience)

    def _event(self, deaths: Counter[int]) -> tuple[_Desk, Answer] | None:
        """The next answer; None: something else happened.

        Raises `PartitionFailed` for a worker that takes too long, or dies again and again.
        """
        busy = [desk for desk in self._desks if desk.task is not None]
        first = min(busy, key=lambda desk: desk.until)
        try:
            worker, start, answer = self._events.get(
                timeout=max(0.0, first.until - time.monotonic())
            )
        except queue.Empty:
            self._late(first)
        desk = next(one for one in self._desks if one.worker is worker)
        if start != worker.starts or not desk.alive:
            return None  # of an earlier start: nobody waits for it
        task, desk.task = desk.task, None
        if answer is not None:
            return desk, answer
        ending = worker.ending()
        desk.abandon()
        if task is not None:
            deaths[task.number] += 1
            if deaths[task.number] == _DEATHS:
                raise PartitionFailed(
                    f"{self._named(task.number)}: its worker died {_DEATHS} times; {ending}",
                    partition=task.number,
                )
        return None

    def _late(self, desk: _Desk) -> NoReturn:
        assert desk.task is not None
        number, doing = desk.task.number, "computed"
        if isinstance(desk.task, Build):
            doing = "built"
        desk.abandon()
        raise PartitionFailed(
            f"{self._named(number)} was not {doing} within {desk.seconds:g} seconds",
            partition=number,
        )

    def _rest(self) -> None:
        """Until no worker has a task; who takes too long over its last one is ended."""
        while busy := [desk for desk in self._desks if desk.task is not None]:
            first = min(busy, key=lambda desk: desk.until)
            try:
                worker, start, answer = self._events.get(
                    timeout=max(0.0, first.until - time.monotonic())
                )
            except queue.Empty:
                first.abandon()
                continue
            desk = next(one for one in self._desks if one.worker is worker)
            if start != worker.starts or not desk.alive:
                continue
            if answer is None or desk.task is None:
                desk.abandon()
            elif isinstance(desk.task, Build) and answer[0]:
                desk.built.add(desk.task.number)
            desk.task = None

    def _named(self, number: int) -> str:
        return named(number, len(self._partitions), self._partitions[number])


def _nothing(_resident: object, _state: object) -> None:
    """What is asked of a partition that shall only be built."""
