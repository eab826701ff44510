"""Deletes what is older than the settings want to keep."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

from nba_engine.app.rotation import midnight
from nba_engine.domain import Store
from nba_engine.errors import NbaError
from nba_engine.settings import RetentionSettings
from nba_engine.store import prune_log, turn

__all__ = ["Retention", "forget_interactions"]

_log = logging.getLogger("nba_engine.app")

_MARK = "retention: interactions"
_PAUSE = 0.02  # seconds between batches: others write meanwhile


def forget_interactions(
    store: Store,
    before: float,
    *,
    told: Callable[[int, int, int], None] = lambda _count, _done, _last: None,
    stop: Callable[[], bool] = lambda: False,
    dry_run: bool = False,
    pause: float = _PAUSE,
) -> int:
    """Forget all interactions that took place before, batch by batch; how many.

    ``told`` hears after each batch of how many, how far, and of how much. Raises `Unavailable`.
    """
    total, after = 0, 0
    while True:
        found = store.forget_interactions(before, after=after, dry_run=dry_run)
        total += found.count
        after = found.more
        told(total, after or found.last, found.last)
        if not after or stop():
            return total
        if found.count and not dry_run:
            time.sleep(pause)


class Retention:
    """A daemon thread that deletes whole days (UTC), first after a minute and then every hour.

    Of the processes of a store one does it at a time, and each day's work is done once. Commands
    that open an engine for a moment delete nothing.
    """

    def __init__(
        self,
        store: Store,
        log: Path,
        settings: RetentionSettings,
        *,
        delay: float = 60.0,
        seconds: float = 3600.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._log = log
        self._settings = settings
        self._delay = delay
        self._seconds = seconds
        self._clock = clock
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="nba-retention", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread; a batch that is under way is finished first. Safe to call twice."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        wait = self._delay
        while not self._stopping.wait(wait):
            wait = self._seconds
            try:
                with turn(self._log.with_name(f"{self._log.name}.retention")) as taken:
                    if taken:
                        self._prune()
            except (NbaError, OSError) as error:  # an hour later it goes on
                _log.warning("deleting what is too old failed: %s", error)

    def _prune(self) -> None:
        stop = self._stopping.is_set
        now = self._clock()
        if self._settings.decisions_days is not None:
            before = midnight(now, self._settings.decisions_days)
            if count := prune_log(self._log, before, stop=stop):
                _log.info("%d old decisions deleted", count)
        if self._settings.interactions_days is not None:
            before = midnight(now, self._settings.interactions_days)
            if before > float(self._store.progress(_MARK) or "-inf"):
                count = forget_interactions(self._store, before, stop=stop)
                if not stop():
                    self._store.bulk(now=now, progress=(_MARK, repr(before)))
                if count:
                    _log.info("%d old interactions deleted", count)
