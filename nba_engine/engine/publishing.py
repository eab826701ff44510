"""The catalog in force: published, rolled back, and switched by all processes of a store together.

Whoever publishes has assembled the catalog, and names a time a little ahead. Until then every
process finds the publication in the store and assembles it, too; at that time each of them swaps
its snapshot. A decision takes one snapshot when it begins, and keeps it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Protocol

import msgspec

from nba_engine.catalog import version_of
from nba_engine.domain import CatalogFiles, DecisionRecord, Publication, Store
from nba_engine.engine.past import Assemble, Past
from nba_engine.engine.snapshot import Snapshot
from nba_engine.errors import FailedPrecondition, MistakesFound, NotFound

__all__ = [
    "POLL_SECONDS",
    "Assemble",
    "CatalogWatcher",
    "Catalogs",
    "Published",
    "Status",
    "last_two",
    "lead_seconds",
    "status_of",
]

Status = Literal["pending", "in_force", "past"]

POLL_SECONDS = 0.2  # how often a process looks for what others published
RETRY_SECONDS = 5.0  # until a process tries again to assemble what it could not
_LONGEST_WAIT = 60.0

_log = logging.getLogger("nba_engine.engine")


class Published(msgspec.Struct, frozen=True, kw_only=True):
    """What came of publishing; not ``new``: that catalog was published last already.

    Not ``in_force`` yet when the caller's time was up before the switch, which comes all the same.
    """

    publication: Publication
    new: bool
    in_force: bool


class CatalogWatcher(Protocol):
    """What hears of the catalog in force. Called on the thread that switches: be quick."""

    def switched(self, publication: Publication, late: float) -> None:
        """It is in force in this process, ``late`` seconds after its time."""

    def behind(self, publication: Publication) -> None:
        """It is in force elsewhere; here it cannot be loaded, and the one before stays."""

    def store_reached(self, *, reached: bool) -> None:
        """Whether the store answers; told when that changes, which is looked at all the time."""


class Catalogs:
    """The snapshot in force in this process, and how it follows those of its store. Thread-safe."""

    def __init__(
        self,
        store: Store,
        snapshot: Snapshot,
        assemble: Assemble | None = None,
        *,
        clock: Callable[[], float] = time.time,
        sequence: int = 0,
        folder: Callable[[], Mapping[str, str]] | None = None,
    ) -> None:
        """``sequence`` is that of the publication which ``snapshot`` is of, or comes after.

        ``folder`` reads the files of the catalog folder and raises `MistakesFound`.
        """
        self.snapshot = snapshot
        self.sequence = sequence
        self.why = ""  # whoever opens the engine says why it starts with this catalog
        self._store = store
        self._assemble = assemble
        self._clock = clock
        self._folder = folder
        self._first_folder = snapshot.catalog.version if folder is not None else ""
        self._lock = threading.RLock()  # one thread prepares and switches
        self._ready: dict[int, Snapshot] = {}
        self._due: dict[int, float] = {}  # sequence → when, on time.monotonic
        self._retry: dict[int, float] = {}  # sequence → when to try again, on time.monotonic
        self._past = Past(store, assemble)
        self._behind: Publication | None = None  # what is in force elsewhere, and cannot be here
        self._watchers: list[CatalogWatcher] = []
        self._reached = True

    def assembled(self, files: Mapping[str, str], models: Mapping[str, str] = {}) -> Snapshot:
        """A snapshot of these files; changes nothing. Raises `MistakesFound`.

        ``models``: the versions to take of them, else those that are promoted.
        """
        if self._assemble is None:
            raise FailedPrecondition("this engine was opened without a way to load catalogs")
        return self._assemble(files, models)

    def publish(
        self,
        files: Mapping[str, str],
        *,
        follows: str = "",
        author: str = "",
        comment: str = "",
        origin: str = "files",
        deadline: float | None = None,
    ) -> Published:
        """Put these files in force in all processes of the store; returns after the switch here.

        What was published last, with the same models, is not published again. ``follows``: the
        version that must have been published last. Raises `MistakesFound` (nothing has changed),
        `FailedPrecondition` (``CATALOG_VERSION_MISMATCH``), `Unavailable`.
        """
        started = time.monotonic()
        snapshot = self.assembled(files)
        lead = lead_seconds(time.monotonic() - started)
        now = self._clock()
        version = snapshot.catalog.version
        wanted = Publication(
            version=version,
            models=snapshot.model_versions,
            origin=origin,
            author=author,
            comment=comment,
            time=now,
            switch_time=now + lead,
            folder=self._folder_now(version),
        )
        publication, new = self._store.publish_catalog(
            CatalogFiles(version=version, files=files), wanted, follows=follows
        )
        with self._lock:
            if publication.sequence > self.sequence:
                self._ready[publication.sequence] = snapshot
        if deadline is None:
            deadline = time.monotonic() + lead + _LONGEST_WAIT
        return self._switched(publication, deadline, new=new)

    def publish_folder(
        self,
        *,
        follows: str = "",
        author: str = "",
        comment: str = "",
        deadline: float | None = None,
    ) -> Published:
        """Like `publish`, with what lies in the catalog folder now."""
        if self._folder is None:
            raise FailedPrecondition("this engine was opened without a catalog folder")
        return self.publish(
            self._folder(),
            follows=follows,
            author=author,
            comment=comment,
            origin="folder",
            deadline=deadline,
        )

    def publish_models(self, *, author: str = "", comment: str = "") -> Published:
        """Put the models that are promoted now in force, with the catalog published last.

        Raises like `publish`.
        """
        last = self._store.publications()[-1:]
        files = self._store.catalog_files(last[0].version) if last else None
        if files is None:
            raise NotFound("no catalog was published yet", reason="CATALOG_VERSION_NOT_FOUND")
        return self.publish(
            files, follows=last[0].version, author=author, comment=comment, origin="model"
        )

    def rollback(
        self,
        version: str = "",
        *,
        follows: str = "",
        author: str = "",
        comment: str = "",
        deadline: float | None = None,
    ) -> Published:
        """Publish a stored version again; "": the one that was in force before the last one.

        Raises like `publish`, `NotFound` (``CATALOG_VERSION_NOT_FOUND``), and
        `FailedPrecondition` when there is no version before.
        """
        if not version:
            last, version = last_two(self._store.publications())
            follows = follows or last  # "before" is meant of what was looked at
        files = self._store.catalog_files(version)
        if files is None:
            raise NotFound(
                f"no catalog {version!r} is stored",
                reason="CATALOG_VERSION_NOT_FOUND",
                metadata={"catalog_version": version},
            )
        return self.publish(
            files,
            follows=follows,
            author=author,
            comment=comment,
            origin="rollback",
            deadline=deadline,
        )

    def history(self) -> list[tuple[Publication, Status]]:
        """Every publication, the latest first, and whether it is the one in force."""
        return status_of(self._store.publications(), self._clock())

    def swap(self, snapshot: Snapshot) -> None:
        """Put a snapshot in force in this process alone, until something is published."""
        with self._lock:
            self._past.keep(self.snapshot)
            self.snapshot = snapshot

    def of(self, record: DecisionRecord) -> Snapshot:
        """The snapshot that made a decision, as far as it can be had; else the one in force.

        An older catalog comes from the store, with the models there are now. Raises
        `FailedPrecondition` (``CATALOG_CHANGED``) when it can no longer be assembled.
        """
        current = self.snapshot
        if (record.catalog_version, dict(record.model_versions)) == (
            current.catalog.version,
            current.model_versions,
        ):
            return current
        return self._past.find(record) or current

    def watch(self, watcher: CatalogWatcher) -> None:
        """Tell ``watcher`` of every switch, and when this process cannot follow."""
        with self._lock:
            self._watchers.append(watcher)
            if self._behind is not None:
                watcher.behind(self._behind)
            if not self._reached:
                watcher.store_reached(reached=False)

    def store_reached(self, *, reached: bool) -> None:
        """Tell the watchers whether the store answers, when that changes."""
        with self._lock:
            if reached != self._reached:
                self._reached = reached
                for watcher in self._watchers:
                    watcher.store_reached(reached=reached)

    def step(self) -> float:
        """Look for what was published, assemble it, switch when it is due.

        Returns the seconds until it should be called again. Raises what the store raises.
        """
        with self._lock:
            news = self._store.publications(after=self.sequence)
            if not news:
                return POLL_SECONDS
            target = self._target(news)
            snapshot = self._ready.get(target.sequence) or self._prepare(target)
            left = self._due[target.sequence] - time.monotonic()
            if snapshot is None:
                if left <= 0:
                    self._fall_behind(target)
                return POLL_SECONDS
            if left > 0:
                return min(left, POLL_SECONDS)
            self._switch(target, snapshot)
            return 0.0

    def _target(self, news: Sequence[Publication]) -> Publication:
        """The latest that is due, or the first that will be."""
        arrived = time.monotonic()
        now = self._clock()
        for one in news:
            # never longer than the publisher meant: clocks may jump while we wait
            left = min(one.switch_time - now, one.switch_time - one.time)
            self._due.setdefault(one.sequence, arrived + max(0.0, left))
        due = [one for one in news if self._due[one.sequence] <= arrived]
        if not due or (due[-1].sequence in self._retry and len(due) < len(news)):
            return news[len(due)]
        return due[-1]

    def _prepare(self, target: Publication) -> Snapshot | None:
        """Assemble what another process published; None, with a log line, when it cannot be."""
        if self._retry.get(target.sequence, 0.0) > time.monotonic():
            return None
        try:
            files = self._store.catalog_files(target.version)
            if files is None:
                raise NotFound(f"the store has lost catalog {target.version}")
            snapshot = self.assembled(files, target.models)
        except (MistakesFound, NotFound, FailedPrecondition) as error:
            again = target.sequence in self._retry
            self._retry[target.sequence] = time.monotonic() + RETRY_SECONDS
            if not again:
                _log.error(
                    "catalog %s was published and cannot be loaded here; %s stays: %s",
                    target.version,
                    self.snapshot.catalog.version,
                    error.message,
                )
            return None
        if snapshot.model_versions != target.models:
            _log.warning(
                "catalog %s was published with models %s; here are %s",
                target.version,
                dict(target.models),
                snapshot.model_versions,
            )
        self._ready[target.sequence] = snapshot
        return snapshot

    def _switch(self, target: Publication, snapshot: Snapshot) -> None:
        self._past.keep(self.snapshot)
        self.snapshot = snapshot
        self.sequence = target.sequence
        late = time.monotonic() - self._due[target.sequence]
        known: tuple[dict[int, Any], ...] = (self._ready, self._due, self._retry)
        for by_sequence in known:
            for sequence in [one for one in by_sequence if one <= target.sequence]:
                del by_sequence[sequence]
        self._behind = None
        for watcher in self._watchers:
            watcher.switched(target, late)

    def _fall_behind(self, target: Publication) -> None:
        if self._behind != target:
            self._behind = target
            for watcher in self._watchers:
                watcher.behind(target)

    def _switched(self, publication: Publication, deadline: float, *, new: bool) -> Published:
        """Wait for the switch of this process; it is driven here, whether or not others drive it."""
        while self.sequence < publication.sequence:
            left = deadline - time.monotonic()
            if left <= 0:
                break
            time.sleep(min(self.step(), left))
        in_force = self.sequence >= publication.sequence
        return Published(publication=publication, new=new, in_force=in_force)

    def _folder_now(self, version: str) -> str:
        """What the publication of ``version`` notes about the folder; see `Publication`."""
        if self._folder is None:
            return ""
        try:
            if version_of(self._folder()) == version:
                return version
        except MistakesFound:  # it is being edited
            pass
        return "" if self.sequence else self._first_folder


def lead_seconds(assembling: float) -> float:
    """How far ahead a publication is dated: two looks of the others, and thrice the assembling."""
    return min(2.0 * POLL_SECONDS + 0.1 + 3.0 * assembling, _LONGEST_WAIT)


def status_of(publications: Sequence[Publication], now: float) -> list[tuple[Publication, Status]]:
    """Publications, the latest first, and whether each is the one in force at ``now``."""
    found: list[tuple[Publication, Status]] = []
    in_force = False
    for one in reversed(publications):
        if one.switch_time > now:
            found.append((one, "pending"))
        else:
            found.append((one, "past" if in_force else "in_force"))
            in_force = True
    return found


def last_two(publications: Sequence[Publication]) -> tuple[str, str]:
    """The version published last, and the one before that was another."""
    last = publications[-1].version if publications else ""
    for one in reversed(publications):
        if one.version != last:
            return last, one.version
    raise FailedPrecondition("there is no catalog before the one in force")
