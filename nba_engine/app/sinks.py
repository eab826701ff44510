"""Sinks behind the answers: a bounded queue and a thread for each, and a count of what is lost."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import msgspec

from nba_engine.app.sink_records import decision_record, interaction_record
from nba_engine.domain import (
    Decision,
    DecisionRequest,
    Interaction,
    InteractionResult,
    Sink,
    SinkRecord,
    Topic,
)
from nba_engine.errors import Mistake, MistakesFound
from nba_engine.plugin import Register, told_when_slow
from nba_engine.settings import Settings, convert, join, suggest

__all__ = ["SinkStatus", "SinkThread", "Sinks", "open_sinks", "sink_mistakes"]

_BATCH = 500  # records per call of `write`
# seconds from the first record to the first call: a thread that woke for each record would take
# the interpreter from those who decide
_GATHER = 0.1
_FLUSH_EVERY = 1.0  # seconds, while there is always more
_TELL_EVERY = 10.0  # seconds between two warnings of one sink
_CLOSING = 5.0  # seconds until a sink that does not finish is left behind

_log = logging.getLogger("nba_engine.sinks")

Item: TypeAlias = tuple[DecisionRequest, Decision] | Interaction


class SinkStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What one sink has taken since it was opened, and what it never got or did not take."""

    written: int
    lost: int


class SinkThread:
    """One sink on its own thread. `offer` never waits: what does not fit in the queue is lost."""

    def __init__(self, name: str, sink: Sink, takes: Sequence[Topic], queue: int) -> None:
        self.takes = frozenset(takes)
        self._name = name
        self._sink = sink
        self._limit = queue
        self._queue: deque[Item] = deque()
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
            elif not batch:
                if self._stopping.is_set():
                    break
                self._wait()
        self._call("close", self._sink.close)

    def _take(self) -> list[Item]:
        queue = self._queue
        return [queue.popleft() for _ in range(min(len(queue), _BATCH))]

    def _wait(self) -> None:
        self._wake.clear()
        self._waiting = True
        if not self._queue and not self._stopping.is_set():  # again, after saying that we wait
            self._wake.wait()
        self._waiting = False
        self._stopping.wait(_GATHER)

    def _write(self, batch: Sequence[Item]) -> bool:
        # records are made inside the guarded call: nothing that fails there ends this thread
        if not self._call("write", lambda: self._sink.write([_record(item) for item in batch])):
            self._failed += len(batch)
            self._tell("")
            return False
        self._written += len(batch)
        self._tell("")
        return True

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


class Sinks:
    """All sinks of an engine. What the engine calls costs one short append per sink."""

    def __init__(self, threads: Mapping[str, SinkThread]) -> None:
        self._threads = dict(threads)
        self._of_decisions = [t for t in threads.values() if "decisions" in t.takes]
        self._of_interactions = [t for t in threads.values() if "interactions" in t.takes]

    @property
    def statuses(self) -> dict[str, SinkStatus]:
        """The counts of each sink by its id."""
        return {name: thread.status for name, thread in self._threads.items()}

    def decided(self, request: DecisionRequest, decision: Decision) -> None:
        """A decision was made."""
        for thread in self._of_decisions:
            thread.offer((request, decision))

    def recorded(
        self, interactions: Sequence[Interaction], results: Sequence[InteractionResult]
    ) -> None:
        """Interactions were recorded; repeats and rejected ones are nobody's news."""
        for thread in self._of_interactions:
            for interaction, result in zip(interactions, results, strict=True):
                if result.status == "recorded":
                    thread.offer(interaction)

    def close(self) -> None:
        """Finish and close all of them."""
        for thread in self._threads.values():
            thread.close()


def sink_mistakes(settings: Settings, register: Register, file: str) -> list[Mistake]:
    """Every mistake under ``[sinks]``: kinds nobody offers, settings that do not fit."""
    return [mistake for _, _, found in _read(settings, register, file) for mistake in found]


def open_sinks(settings: Settings, register: Register, folder: Path, file: str) -> Sinks:
    """Build every sink and start its thread. Raises `MistakesFound`; none is left open then."""
    threads: dict[str, SinkThread] = {}
    try:
        for name, own, mistakes in _read(settings, register, file):
            if own is None or mistakes:
                raise MistakesFound(mistakes)
            wanted = settings.sinks[name]
            sink = _build(name, wanted.kind, register, own, folder, file)
            threads[name] = SinkThread(name, sink, wanted.takes, wanted.queue)
    except BaseException:
        Sinks(threads).close()
        raise
    return Sinks(threads)


def _read(
    settings: Settings, register: Register, file: str
) -> Iterator[tuple[str, msgspec.Struct | None, list[Mistake]]]:
    for name, wanted in settings.sinks.items():
        place = join("sinks", name)
        factory = register.sinks.get(wanted.kind)
        if factory is not None:
            own, mistakes = convert(wanted.settings, factory.settings, file, f"{place}.settings")
            yield name, own, mistakes
        elif wanted.kind:  # without one, that is told
            message = f"no plugin offers a sink {wanted.kind!r}"
            remedy = suggest(wanted.kind, register.sinks, "sinks")
            wrong = Mistake(file=file, place=f"{place}.kind", message=message, remedy=remedy)
            yield name, None, [wrong]


def _build(
    name: str, kind: str, register: Register, own: msgspec.Struct, folder: Path, file: str
) -> Sink:
    try:
        with told_when_slow(f"opening sink {name!r}"):
            return register.sinks[kind].build(own, folder)
    except MistakesFound:
        raise
    except (Exception, SystemExit) as error:
        message = (
            f"sink {kind!r} of plugin {register.sinks.plugin(kind)!r} could not be opened: "
            f"{type(error).__name__}: {error}"
        )
        wrong = Mistake(file=file, place=join("sinks", name), message=message)
        raise MistakesFound([wrong]) from error


def _record(item: Item) -> SinkRecord:
    if isinstance(item, Interaction):
        return interaction_record(item)
    return decision_record(*item)
