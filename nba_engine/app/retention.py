"""Deletes what is older than the settings want to keep."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

from nba_engine.app.repeating import Repeating
from nba_engine.app.rotation import midnight
from nba_engine.domain import Store
from nba_engine.engine import old_catalogs
from nba_engine.errors import NbaError, NotFound
from nba_engine.settings import RetentionSettings
from nba_engine.store import open_log_reader, prune_log, turn

__all__ = ["Retention", "forget_catalogs", "forget_interactions", "forget_windows"]

_log = logging.getLogger("nba_engine.app")

_MARK = "retention: interactions"
_WINDOWS = "retention: windows"
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


def forget_windows(
    store: Store,
    before: float,
    *,
    stop: Callable[[], bool] = lambda: False,
    dry_run: bool = False,
    pause: float = _PAUSE,
) -> int:
    """Forget the accounts of all calendar windows that ended before, batch by batch; how many.

    Raises `Unavailable`.
    """
    total, after = 0, ""
    while True:
        found = store.forget_windows(before, after=after, dry_run=dry_run)
        total += found.count
        after = found.more
        if not after or stop():
            return total
        if found.count and not dry_run:
            time.sleep(pause)


def forget_catalogs(
    store: Store, log: Path, before: float, *, now: float, dry_run: bool = False
) -> int:
    """Forget catalogs that went out of force before and that nobody needs; how many.

    Raises `Unavailable`, `FailedPrecondition`.
    """
    old = old_catalogs(store.publications(), before=before, logged=_oldest(log))
    if dry_run:
        return sum(store.catalog_files(version) is not None for version in old)
    return store.forget_catalogs(old, now=now)


def _oldest(log: Path) -> float | None:
    """When the first decision on record was made; None: there is none."""
    try:
        reader = open_log_reader(log)
    except NotFound:
        return None
    try:
        return reader.oldest()
    finally:
        reader.close()


class Retention(Repeating):
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
        super().__init__("nba-retention", delay=delay)
        self._store = store
        self._log = log
        self._settings = settings
        self._seconds = seconds
        self._clock = clock

    def _step(self) -> float:
        try:
            with turn(self._log.with_name(f"{self._log.name}.retention")) as taken:
                if taken:
                    self._prune()
        except (NbaError, OSError) as error:  # an hour later it goes on
            _log.warning("deleting what is too old failed: %s", error)
        return self._seconds

    def _prune(self) -> None:
        stop = self._stopping.is_set
        now = self._clock()
        if self._settings.decisions_days is not None:
            before = midnight(now, self._settings.decisions_days)
            if count := prune_log(self._log, before, stop=stop):
                _log.info("%d old decisions deleted", count)
        if self._settings.interactions_days is not None:
            before = midnight(now, self._settings.interactions_days)
            self._once_a_day(_MARK, "interactions", before, forget_interactions)
        if self._settings.windows_days is not None:
            before = midnight(now, self._settings.windows_days)
            self._once_a_day(_WINDOWS, "accounts of past windows", before, forget_windows)
        if self._settings.catalogs_days is not None:
            before = midnight(now, self._settings.catalogs_days)
            if count := forget_catalogs(self._store, self._log, before, now=now):
                _log.info("%d old catalogs deleted", count)

    def _once_a_day(self, mark: str, what: str, before: float, forget: Callable[..., int]) -> None:
        """Forget what was before, unless that was done; the mark says so to every process."""
        if before <= float(self._store.progress(mark) or "-inf"):
            return
        stop = self._stopping.is_set
        count = forget(self._store, before, stop=stop)
        if not stop():
            self._store.bulk(now=self._clock(), progress=(mark, repr(before)))
        if count:
            _log.info("%d old %s deleted", count, what)
