"""Carries out erasures where the store's transaction does not reach: log, sinks, files.

The store has the list of what is pending, so nothing is forgotten: what a process that died was
about, it or another one begins again. Each step may be repeated.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from nba_engine.domain import FILES, LOG, OPEN, SINKS, DecisionLog, Erased, Erasure, Store
from nba_engine.errors import NbaError
from nba_engine.store import turn

__all__ = ["Eraser"]

_log = logging.getLogger("nba_engine.app")


class _Sinks(Protocol):
    def erase(
        self, erased: Erased, *, stop: Callable[[], bool] = ...
    ) -> tuple[dict[str, int], list[str]]: ...


class Eraser:
    """A daemon thread that carries out what is pending, when woken and every few seconds.

    ``lock`` is a file beside the decision log: one process of a machine works at a time. A log that
    was restored, or that of another machine, is gone through as well, though the store knows of an
    erasure that is done.
    """

    def __init__(
        self,
        store: Store,
        log: DecisionLog,
        sinks: _Sinks,
        lock: Path,
        *,
        seconds: float = 5.0,
    ) -> None:
        self._store = store
        self._decisions = log
        self._sinks = sinks
        self._lock = lock
        self._seconds = seconds
        self._seen = 0  # everything up to this erasure is done
        self._told = ""
        self._one = threading.Lock()  # thread of this process
        self._stopping = threading.Event()
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._run, name="nba-eraser", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread at the next step; the rest is done later. Safe to call twice."""
        self._stopping.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()

    def wake(self) -> None:
        """There is something to do."""
        self._wake.set()

    def work(self) -> bool:
        """Carry out what is pending; whether nothing is left, as far as this process can tell.

        Raises what is in the way of the first erasure that cannot be carried out; others are.
        """
        with self._one, turn(self._lock) as mine:
            if not mine:
                return False
            problem: NbaError | None = None
            waiting: list[Erased] = []
            for erased in self._closed():
                try:
                    if self._left(erased):
                        self._everywhere(erased)
                        waiting.append(erased)
                except NbaError as error:
                    problem = problem or error
                else:
                    if problem is None and not waiting:
                        self._seen = erased.sequence
            self._clean(waiting)
            if problem is not None:
                raise problem
            return True

    def _closed(self) -> Sequence[Erased]:
        """What there may be to do; whose commit nobody has come back from is over by now."""
        found = self._store.erased_since(self._seen)
        for erased in found:
            if erased.before == OPEN:
                self._store.note_erased(erased.erasure_id, {}, pending=erased.pending)
        if all(erased.before != OPEN for erased in found):
            return found
        return self._store.erased_since(self._seen)

    def _left(self, erased: Erased) -> bool:
        return bool(erased.pending) or not self._decisions.was_erased(erased.erasure_id)

    def _everywhere(self, erased: Erased) -> None:
        """Log and sinks; each is noted by itself.

        What another machine has noted is about its own sinks. Whether ours are done the log of
        this machine tells, so they come before it then.
        """
        stop = self._stopping.is_set
        ours = SINKS in erased.pending
        if not ours and not self._decisions.was_erased(erased.erasure_id):
            self._sinks.erase(erased, stop=stop)
        self._note(erased, LOG, self._decisions.erase(erased, stop=stop))
        if ours:
            counts, cannot = self._sinks.erase(erased, stop=stop)
            self._note(erased, SINKS, counts, cannot)

    def _note(
        self, erased: Erased, place: str, counts: Mapping[str, int], cannot: Sequence[str] = ()
    ) -> None:
        order = (LOG, SINKS, FILES)
        left = order[order.index(place) + 1 :]
        pending = [one for one in erased.pending if one in left]
        found = {kind: count for kind, count in counts.items() if count}
        if erased.pending:
            self._store.note_erased(erased.erasure_id, found, pending=pending, kept=cannot)

    def _clean(self, erased: Sequence[Erased]) -> None:
        """The store's own files: once for all of them."""
        if not erased:
            return
        self._store.scrub()
        for one in erased:
            done = self._store.note_erased(one.erasure_id, {}, pending=())
            _log.info("erasure %s is done: %s", one.erasure_id, _words(done))
        self._told = ""

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._wake.wait(self._seconds)
            self._wake.clear()
            if self._stopping.is_set():
                return
            try:
                self.work()
            except (NbaError, OSError) as error:  # it is tried again; OSError: the lock file
                self._tell(str(error))

    def _tell(self, problem: str) -> None:
        if not self._stopping.is_set() and problem != self._told:
            self._told = problem
            _log.warning("an erasure is pending: %s", problem)


def _words(done: Erasure) -> str:
    counted = [f"{count} {kind}" for kind, count in sorted(done.counts.items())]
    return ", ".join(counted) or "nothing was found"
