"""Stages with a time limit: threads of their own, and copies that keep the abandoned ones away."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Mapping

from nba_engine.domain import (
    Answer,
    CustomerState,
    Deciding,
    Evidence,
    Reads,
    ReservationRequest,
)
from nba_engine.errors import StageFailed
from nba_engine.pipeline.step import Step
from nba_engine.plugin import line_of

__all__ = ["StagePool", "call_in_time"]

_GONE = "the decision has gone on without this stage"


class StagePool:
    """Daemon threads for stages, started when needed, gone when idle.

    A thread cannot be stopped from outside: an abandoned call keeps its thread until it returns.
    A stage with ``size`` of them is refused more, at once. The other stages have their own count.
    """

    def __init__(self, size: int = 8, *, idle_seconds: float = 10.0) -> None:
        self._size = size
        self._jobs: queue.SimpleQueue[_Job] = queue.SimpleQueue()
        self._idle_seconds = idle_seconds
        self._idle = 0
        self._abandoned: dict[str, dict[_Job, None]] = {}  # by stage, in the order of their start
        self._lock = threading.Lock()

    def start(self, stage: str, work: Callable[[], None]) -> _Job:
        """Run ``work`` on a thread. Raises `StageFailed` when too many of the stage hang."""
        with self._lock:
            hanging = self._abandoned.get(stage)
            if hanging is not None and len(hanging) >= self._size:
                first = next(iter(hanging))
                raise StageFailed(
                    f"{len(hanging)} calls of it hang, the first for {first.seconds:.3g} s, at "
                    f"{first.place}"
                )
            spawn = self._idle == 0
            if not spawn:
                self._idle -= 1
        job = _Job(work)
        self._jobs.put(job)
        if spawn:
            threading.Thread(target=self._serve, name="nba-stage", daemon=True).start()
        return job

    def abandon(self, stage: str, job: _Job) -> None:
        """Nobody waits for this call any more."""
        with self._lock:
            if not job.done:
                self._abandoned.setdefault(stage, {})[job] = None
                job.abandoned_by = stage

    def _serve(self) -> None:
        while True:
            try:
                job = self._jobs.get(timeout=self._idle_seconds)
            except queue.Empty:
                with self._lock:
                    if self._idle == 0:
                        continue  # a job was just promised to this thread
                    self._idle -= 1
                return
            job.run()
            with self._lock:
                self._idle += 1
                if job.abandoned_by:
                    del self._abandoned[job.abandoned_by][job]
            del job  # what it worked on is garbage while this thread waits


class _Job:
    """One call on the pool: waited for, or abandoned."""

    __slots__ = ("_done", "_started", "_thread", "_work", "abandoned_by", "error")

    def __init__(self, work: Callable[[], None]) -> None:
        self._work = work
        self._done = threading.Event()
        self._started = time.monotonic()
        self._thread = 0
        self.abandoned_by = ""
        self.error: BaseException | None = None

    @property
    def done(self) -> bool:
        """Whether it has ended."""
        return self._done.is_set()

    def run(self) -> None:
        self._thread = threading.get_ident()
        try:
            self._work()
        except BaseException as error:
            self.error = error
        self._done.set()

    def wait(self, seconds: float) -> bool:
        """Whether it ended within ``seconds``."""
        return self._done.wait(seconds)

    @property
    def seconds(self) -> float:
        """How long ago it was started."""
        return time.monotonic() - self._started

    @property
    def place(self) -> str:
        """The line that it is at: what a log needs to find the culprit."""
        return line_of(self._thread)


def call_in_time(step: Step, deciding: Deciding, seconds: float, pool: StagePool) -> None:
    """Apply a stage on the pool, to a copy whose result is adopted only when it is in time.

    Raises `StageFailed` when the time is up or too many calls hang, and whatever the stage raises.
    """
    reads = _RevocableReads(deciding.reads)
    copy = deciding.detached()
    copy.reads = reads
    candidates = copy.candidates
    job = pool.start(step.name, lambda: step.apply(copy))
    try:
        if not job.wait(seconds):
            pool.abandon(step.name, job)
            raise StageFailed(f"not done within {seconds * 1000:g} ms: it is at {job.place}")
        if isinstance(job.error, KeyboardInterrupt):  # Ctrl-C never gets to this thread
            raise StageFailed("it raised KeyboardInterrupt") from job.error
        if job.error is not None:
            raise job.error
        if copy.candidates is not candidates:
            raise StageFailed("it replaced the candidates instead of dropping some")
    except BaseException:
        deciding.answers.extend(reads.revoke())  # the decision has to give these back
        raise
    copy.reads = deciding.reads
    deciding.adopt(copy)


class _RevocableReads:
    """Reads that stop answering when the decision has gone on without their stage."""

    def __init__(self, reads: Reads) -> None:
        self._reads = reads
        self._lock = threading.Lock()
        self._revoked = False
        self._answers: list[Answer] = []

    def revoke(self) -> list[Answer]:
        """Stop answering; what the ledger has answered so far."""
        with self._lock:
            self._revoked = True
            return self._answers

    def customer(self, identity: str) -> tuple[CustomerState, bytes] | None:
        self._check()
        return self._reads.customer(identity)

    def usage(self, accounts: tuple[str, ...]) -> Mapping[str, int]:
        self._check()
        return self._reads.usage(accounts)

    def evidence(self) -> Evidence:
        self._check()
        return self._reads.evidence()

    def reserve(
        self, requests: tuple[ReservationRequest, ...], *, now: float
    ) -> tuple[Answer, ...]:
        self._check()
        answers = self._reads.reserve(requests, now=now)
        with self._lock:
            if not self._revoked:
                self._answers.extend(answers)
                return answers
        granted = tuple([one.reservation_id for one in answers if one.granted])
        if granted:  # while it waited for the ledger, the decision went on without it
            self._reads.release(granted, now=now)
        raise StageFailed(_GONE)

    def release(self, reservations: tuple[str, ...], *, now: float) -> None:
        self._check()
        self._reads.release(reservations, now=now)

    def _check(self) -> None:
        if self._revoked:
            raise StageFailed(_GONE)
