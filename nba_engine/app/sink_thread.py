"""One sink on a thread of its own: a bounded queue, a count of what is lost, turns with erasures."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import TypeAlias

import msgspec

from nba_engine.app.sink_records import decision_record, interaction_record
from nba_engine.app.sink_turns import SinkTurn
from nba_engine.domain import (
    Decision,
    DecisionRequest,
    Erased,
    Interaction,
    Sink,
    SinkRecord,
    Topic,
)
from nba_engine.errors import Unavailable

__all__ = ["Item", "SinkStatus", "SinkThread"]

_BATCH = 500  # records per call of `write`
# seconds from the first record to the first call: a thread that woke for each record would take
# the interpreter from those who decide
_GATHER = 0.1
_FLUSH_EVERY = 1.0  # seconds, while there is always more
_TELL_EVERY = 10.0  # seconds between two warnings of one sink
_LOOK = 0.05  # seconds between looks whether to go on waiting for an erasure
_CLOSING = 5.0  # seconds until a sink that does not finish is left behind

_log = logging.getLogger("nba_engine.sinks")

Item: TypeAlias = tuple[DecisionRequest, Decision] | Interaction


class SinkStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What one sink has taken since it was opened, and what it never got or did not take."""

    written: int
    lost: int


class _Erasing:
    """Somebody waits until the sink has removed a customer."""

    def __init__(self, erased: Erased) -> None:
        self.erased = erased
        self.done = threading.Event()
        self.removed: int | None = None
        self.problem = ""


class SinkThread:
    """One sink on its own thread. `offer` never waits: what does not fit in the queue is lost.

    From its first `write` to the `flush` behind it, it has its ``turn``: nobody erases meanwhile,
    and what was erased before is left out.
    """

    def __init__(
        self,
        name: str,
        sink: Sink,
        takes: Sequence[Topic],
        queue: int,
        turn: SinkTurn | None = None,
    ) -> None:
        self.takes = frozenset(takes)
        self._name = name
        self._sink = sink
        self._limit = queue
        self._turn = turn
        self._queue: deque[Item] = deque()
        self._erasing: deque[_Erasing] = deque()
        self._wake = threading.Event()
        self._waiting = False
        self._stopping = threading.Event()
        self._written = 0
        self._failed = 0  # counted by the thread …
        self._refused = 0  # … and by those who offer: neither misses a count of the other's
        self._counting = threading.Lock()
        self._told = (0, -_TELL_EVERY)  # lost then, when
        self._thread = threading.Thread(target=self._run, name=f"nba-sink-{name}", daemon=True)
        self._thread.start()

    @property
    def status(self) -> SinkStatus:
        """The counts of this moment."""
        return SinkStatus(written=self._written, lost=self._failed + self._refused)

    def offer(self, item: Item) -> None:
        """Queue a copy; called on request paths."""
        if len(self._queue) >= self._limit or self._stopping.is_set():
            with self._counting:
                self._refused += 1
            return
        self._queue.append(item)
        if self._waiting:
            self._wake.set()

    def erase(self, erased: Erased, stop: Callable[[], bool]) -> int | None:
        """Let the sink remove a customer; how many records, None when it cannot remove any.

        Raises `Unavailable` when it fails, or ``stop`` ends the waiting.
        """
        if getattr(self._sink, "erase", None) is None:
            return None
        wanted = _Erasing(erased)
        self._erasing.append(wanted)
        self._wake.set()
        while not wanted.done.wait(_LOOK):
            if stop() or not self._thread.is_alive():
                raise Unavailable(f"sink {self._name} has not removed anything yet")
        if wanted.problem:
            raise Unavailable(f"sink {self._name} could not remove a customer: {wanted.problem}")
        return wanted.removed

    def close(self, seconds: float = _CLOSING) -> None:
        """Let it finish what is queued, but not for longer than this; then it is left behind."""
        self._stopping.set()
        self._wake.set()
        self._thread.join(seconds)
        if self._thread.is_alive():
            with self._counting:
                self._refused += len(self._queue)
            _log.warning(
                "sink %s did not finish within %g seconds and is left", self._name, seconds
            )
        self._tell("", last=True)

    def _run(self) -> None:
        flushed = time.monotonic()
        dirty = False
        while True:
            batch = self._take()
            if batch:
                dirty = self._write(batch) or dirty
            if dirty and (not batch or time.monotonic() - flushed > _FLUSH_EVERY):
                self._call("flush", self._sink.flush)
                flushed, dirty = time.monotonic(), False
            if not dirty:
                self._end_turn()
                while self._erasing:
                    self._erase(self._erasing.popleft())
            if not batch and not dirty:
                if self._stopping.is_set():
                    break
                self._wait()
        self._call("close", self._sink.close)
        if self._turn is not None:
            self._turn.close()

    def _take(self) -> list[Item]:
        queue = self._queue
        return [queue.popleft() for _ in range(min(len(queue), _BATCH))]

    def _wait(self) -> None:
        self._wake.clear()
        self._waiting = True
        # again, after saying that we wait
        if not self._queue and not self._erasing and not self._stopping.is_set():
            self._wake.wait()
        self._waiting = False
        self._stopping.wait(_GATHER)

    def _write(self, batch: Sequence[Item]) -> bool:
        # records are made inside the guarded call: nothing that fails there ends this thread
        if not self._call("write", lambda: self._sink.write(self._records(batch))):
            self._failed += len(batch)
            self._tell("")
            return False
        self._written += len(batch)
        self._tell("")
        return True

    def _records(self, batch: Sequence[Item]) -> list[SinkRecord]:
        if self._turn is not None:
            self._turn.begin()
            batch = self._turn.without_erased(batch)
        return [_record(item) for item in batch]

    def _end_turn(self) -> None:
        if self._turn is not None:
            self._turn.end()

    def _erase(self, wanted: _Erasing) -> None:
        erase: Callable[[Erased], int] = self._sink.erase  # type: ignore[attr-defined] # looked at before
        try:
            wanted.removed = erase(wanted.erased)
        except BaseException as error:  # as in `_call`
            wanted.problem = type(error).__name__
        wanted.done.set()

    def _call(self, what: str, call: Callable[[], object]) -> bool:
        try:
            call()
        # a sink is a plugin, and this is its thread: whatever it raises ends here. The text stays
        # out of the log, for it may hold a record
        except BaseException as error:
            self._tell(f"{what} failed: {type(error).__name__}")
            return False
        return True

    def _tell(self, problem: str, *, last: bool = False) -> None:
        """Warn about losses and failures, but not too often."""
        lost = self._failed + self._refused
        before, when = self._told
        now = time.monotonic()
        if (lost > before or problem) and (last or now - when >= _TELL_EVERY):
            self._told = (lost, now)
            _log.warning(
                "sink %s: %s%d records lost so far",
                self._name,
                f"{problem}, " * bool(problem),
                lost,
            )


def _record(item: Item) -> SinkRecord:
    if isinstance(item, Interaction):
        return interaction_record(item)
    return decision_record(*item)
