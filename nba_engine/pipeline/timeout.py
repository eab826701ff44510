"""Stages with a time limit: a small bounded pool, and copies that keep the abandoned ones away."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Mapping

from nba_engine.domain import (
    Answer,
    CustomerState,
    Deciding,
    Reads,
    ReservationRequest,
)
from nba_engine.errors import StageFailed

__all__ = ["StagePool", "call_in_time"]

_GONE = "the decision has gone on without this stage"


class StagePool:
    """At most ``size`` daemon threads, started when needed, gone when idle.

    A thread that spins cannot be stopped: an abandoned stage keeps its place until it returns.
    When all places are taken, `start` refuses at once.
    """

    def __init__(self, size: int = 8, *, idle_seconds: float = 10.0) -> None:
        self._places = threading.Semaphore(size)
        self._jobs: queue.SimpleQueue[_Job] = queue.SimpleQueue()
        self._idle_seconds = idle_seconds
        self._idle = 0
        self._lock = threading.Lock()

    def start(self, work: Callable[[], None]) -> _Job:
        """Run ``work`` on a thread of the pool. Raises `StageFailed` when there is no place."""
        if not self._places.acquire(blocking=False):
            raise StageFailed("no thread is free for stages with timeout_ms")
        job = _Job(work)
        with self._lock:
            spawn = self._idle == 0
            if not spawn:
                self._idle -= 1
        self._jobs.put(job)
        if spawn:
            threading.Thread(target=self._serve, name="nba-stage", daemon=True).start()
        return job

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
            self._places.release()


class _Job:
    """One call on the pool: waited for, or abandoned."""

    __slots__ = ("_done", "_work", "error")

    def __init__(self, work: Callable[[], None]) -> None:
        self._work = work
        self._done = threading.Event()
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self._work()
        except BaseException as error:
            self.error = error
        self._done.set()

    def wait(self, seconds: float) -> bool:
        """Whether it ended within ``seconds``."""
        return self._done.wait(seconds)


def call_in_time(
    apply: Callable[[Deciding], None], deciding: Deciding, seconds: float, pool: StagePool
) -> None:
    """Apply a stage on the pool, to a copy whose result is adopted only when it is in time.

    Raises `StageFailed` when the time is up or the pool is full, and whatever the stage raises.
    """
    reads = _RevocableReads(deciding.reads)
    copy = deciding.detached()
    copy.reads = reads
    candidates = copy.candidates
    job = pool.start(lambda: apply(copy))
    try:
        if not job.wait(seconds):
            raise StageFailed(f"not done within {seconds * 1000:g} ms")
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
