"""Asks one source: on a few threads of its own, once per customer at a time, behind a breaker."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from nba_engine.domain import ProfileSource, Value
from nba_engine.engine.profile_sources.memory import Kept, Memory
from nba_engine.engine.types import reader_of
from nba_engine.pipeline import Breaker, log_failure

__all__ = ["Asking", "Flight", "SourceStatus"]

_WAITING = 1_000  # customers that may wait for a thread; further ones are not asked for
_IDLE = 10.0  # seconds after which a thread without work ends
_CLOSING = 5.0  # seconds until a source that does not finish is left behind
_TELL_EVERY = 60.0  # seconds between two warnings about the same attribute

_log = logging.getLogger("nba_engine.profile_sources")


class SourceStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What came of asking one source since it was opened, and how many answers are kept now."""

    calls: int
    failures: int
    kept: int


class Flight:
    """One customer who is being asked for, and everybody who waits for it."""

    __slots__ = ("call", "counted", "forgotten", "kept", "key", "landed", "wanted")

    def __init__(self, key: str, wanted: Mapping[str, str]) -> None:
        self.key = key
        self.wanted = wanted
        self.landed = threading.Event()
        self.kept: Kept | None = None  # None when it has landed: there was no answer
        self.call: _Call | None = None  # None: it waits for a thread
        self.forgotten = False
        self.counted = False  # as a failure: no thread came for it, as all of them hang


class _Call:
    """One call of the source."""

    __slots__ = ("counted", "flights", "started")

    def __init__(self, flights: list[Flight], started: float) -> None:
        self.flights = flights
        self.started = started
        self.counted = False  # as a failure: it took too long


class Asking:
    """One source with its threads, breaker and memory. Thread-safe."""

    def __init__(
        self,
        name: str,
        source: ProfileSource,
        *,
        memory: Memory,
        breaker: Breaker,
        timeout: float,
        max_parallel: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """``timeout``: seconds after which an answer is late; it is kept all the same."""
        self.timeout = timeout
        self._name = name
        self._source = source
        self._memory = memory
        self._breaker = breaker
        self._max_parallel = max_parallel
        self._clock = clock
        self._lock = threading.Lock()
        self._work = threading.Condition(self._lock)
        self._queue: deque[Flight] = deque()
        self._flights: dict[str, Flight] = {}
        self._running: set[_Call] = set()
        self._threads: set[threading.Thread] = set()
        self._idle = 0
        self._stopping = False
        self._calls = 0
        self._failures = 0
        self._told: dict[str, float] = {}

    @property
    def status(self) -> SourceStatus:
        """The counts of this moment."""
        with self._lock:
            return SourceStatus(calls=self._calls, failures=self._failures, kept=len(self._memory))

    @property
    def keys(self) -> list[str]:
        """Of whom something is kept, or on its way."""
        with self._lock:
            return [*self._memory.keys, *self._flights]

    def ask(self, key: str, wanted: Mapping[str, str]) -> Kept | Flight | None:
        """What is known of a customer, or is on its way; None: the source cannot be asked now.

        Never waits. An answer that is no longer fresh is given, too, and asked for again behind.
        """
        with self._lock:
            kept, fresh = self._memory.look(key, wanted)
            if fresh:
                return kept
            flight = self._flight(key, wanted)
            return flight if kept is None else kept

    def wait(self, flight: Flight, until: float) -> Kept | None:
        """The answer, if it comes until then (`time.monotonic`); None: it did not, or there is none."""
        if flight.landed.wait(max(0.0, until - time.monotonic())):
            return flight.kept
        with self._lock:
            late = self._late(flight)
        if late:
            self._tell_late()
        return None

    def kept(self, key: str) -> Kept | None:
        """The last answer, however old."""
        with self._lock:
            return self._memory.last(key)

    def forget(self, keys: Iterable[str]) -> None:
        """Drop what is known of these customers, and do not keep what is on its way."""
        with self._lock:
            names = list(keys)
            self._memory.forget(names)
            for name in names:
                if (flight := self._flights.pop(name, None)) is not None:
                    flight.forgotten = True

    def sweep(self) -> None:
        """Drop what is too old to be used."""
        with self._lock:
            self._memory.sweep()

    def close(self, seconds: float = _CLOSING) -> None:
        """Stop asking and release the source; it is left behind if that takes too long."""
        until = time.monotonic() + seconds
        with self._lock:
            self._stopping = True
            given_up = list(self._queue)
            self._queue.clear()
            self._flights.clear()
            threads = list(self._threads)
            self._work.notify_all()
        for flight in given_up:
            flight.landed.set()
        for thread in threads:
            thread.join(max(0.0, until - time.monotonic()))
        closing = threading.Thread(
            target=self._close_source, name="nba-profile-source-close", daemon=True
        )
        closing.start()
        closing.join(max(0.1, until - time.monotonic()))
        if closing.is_alive() or any(thread.is_alive() for thread in threads):
            _log.warning(
                "profile source %s did not finish within %g seconds and is left",
                self._name,
                seconds,
            )

    def _flight(self, key: str, wanted: Mapping[str, str]) -> Flight | None:
        """That of this customer, begun if there is none. Called with the lock."""
        if (flight := self._flights.get(key)) is not None and flight.wanted == wanted:
            return flight
        if self._stopping or len(self._queue) >= _WAITING:
            return None
        if not (self._breaker.closed or self._breaker.probe()):
            return None
        flight = self._flights[key] = Flight(key, wanted)
        self._queue.append(flight)
        self._work.notify()
        if len(self._queue) > self._idle and len(self._threads) < self._max_parallel:
            name = f"nba-profile-source-{self._name}"
            thread = threading.Thread(target=self._serve, name=name, daemon=True)
            self._threads.add(thread)
            thread.start()
        return flight

    def _serve(self) -> None:
        """What each thread does: take customers and ask for them, until there is nothing to do."""
        while (call := self._take()) is not None:
            answers = self._call(call)
            with self._lock:
                self._running.discard(call)
                for flight in call.flights:
                    if self._flights.get(flight.key) is flight:
                        del self._flights[flight.key]
                    flight.kept = answers.get(flight.key)
                    if flight.kept is not None and not flight.forgotten and not self._stopping:
                        self._memory.keep(flight.key, flight.kept)
            for flight in call.flights:
                flight.landed.set()
            del call, answers, flight  # nothing of a customer stays with a thread that waits

    def _take(self) -> _Call | None:
        """The next call, of customers who are asked for the same; None: this thread may end."""
        with self._lock:
            self._idle += 1
            while not self._queue and not self._stopping:
                if not self._work.wait(_IDLE) and not self._queue:
                    break
            self._idle -= 1
            if self._stopping or not self._queue:
                self._threads.discard(threading.current_thread())
                return None
            flights = [self._queue.popleft()]
            most, wanted = max(1, self._source.batch), flights[0].wanted
            while self._queue and len(flights) < most and self._queue[0].wanted == wanted:
                flights.append(self._queue.popleft())
            call = _Call(flights, time.monotonic())
            for flight in flights:
                flight.call = call
            self._running.add(call)
            self._calls += 1
            return call

    def _call(self, call: _Call) -> dict[str, Kept]:
        """Ask the source; the answers by id, empty when there was none."""
        wanted, asked = call.flights[0].wanted, self._clock()
        keys = [flight.key for flight in call.flights]
        try:
            found = self._source.fetch(keys, wanted, seconds=self.timeout)
            answers = {
                key: Kept(
                    values=self._fitting(found.get(key), wanted),
                    time=asked,
                    at=call.started,
                    wanted=wanted,
                )
                for key in keys
            }
        # a source is a plugin, and this is a thread of the engine's: whatever it raises ends here
        except BaseException as error:
            with self._lock:
                counts = self._count(call)
            opened = counts and self._breaker.failed()
            log_failure(f"profile source {self._name}", error, opened=opened)
            return {}
        if time.monotonic() - call.started > self.timeout:
            with self._lock:
                late = self._count(call)
            if late:
                self._tell_late()
        elif self._breaker.failures and self._breaker.succeeded():
            _log.warning("breaker closed: profile source %s works again", self._name)
        return answers

    def _fitting(self, values: Any, wanted: Mapping[str, str]) -> dict[str, Value] | None:
        """The values of declared types in their normal form; None for None."""
        if values is None:
            return None
        fitting: dict[str, Value] = {}
        for name, kind in wanted.items():
            value = values.get(name)
            if value is None:
                continue
            try:
                fitting[name] = reader_of(kind)(value)
            except ValueError as error:
                self._tell(name, str(error))
        return fitting

    def _tell(self, name: str, problem: str) -> None:
        """Warn about an attribute of a wrong type, without its value, but not too often."""
        now = time.monotonic()
        if now - self._told.get(name, -_TELL_EVERY) >= _TELL_EVERY:
            self._told[name] = now
            _log.warning(
                "profile source %s: %r %s; it counts as missing", self._name, name, problem
            )

    def _late(self, flight: Flight) -> bool:
        """Whether the source, not the queue, is why this did not come. Called with the lock.

        A customer who waits for a thread waits for the calls that run. If all of them hang, there
        is no call of its own that could tell: then it counts itself.
        """
        latest = time.monotonic() - self.timeout
        if flight.call is not None:
            return flight.call.started <= latest and self._count(flight.call)
        if len(self._running) < self._max_parallel:
            return False
        return all(call.started <= latest for call in self._running) and self._count(flight)

    def _count(self, one: Flight | _Call) -> bool:
        """Count a failure; False when this one was counted before. Called with the lock."""
        if one.counted:
            return False
        one.counted = True
        self._failures += 1
        return True

    def _tell_late(self) -> None:
        """A failure for the breaker, and a line for the log."""
        before = "breaker opened: " if self._breaker.failed() else ""
        _log.warning(
            "%sprofile source %s gave no answer within %g ms",
            before,
            self._name,
            self.timeout * 1000,
        )

    def _close_source(self) -> None:
        try:
            self._source.close()
        except BaseException as error:
            log_failure(f"closing profile source {self._name}", error)
