"""What past decisions are looked at with: the log, and the catalogs that decided."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from nba_engine.app.assembly import Assembly
from nba_engine.app.check import prepared
from nba_engine.catalog import read_folder
from nba_engine.domain import DecisionRecord, Store
from nba_engine.engine import Snapshot
from nba_engine.errors import FailedPrecondition, MistakesFound, NotFound
from nba_engine.plugin import Register
from nba_engine.settings import Settings
from nba_engine.store import LogReader, open_log_reader

__all__ = ["Logged", "open_logged"]

_KEPT = 4  # older snapshots in memory


class Logged:
    """A decision log, the snapshot in force, and those of older catalogs. A context manager.

    The engine may be serving meanwhile: nothing is written, and of the store only the catalogs
    are read. ``unread`` says why they could not be, if so; the folder's catalog is taken then.
    """

    def __init__(
        self,
        log: LogReader,
        snapshot: Snapshot,
        assembly: Assembly,
        store: Store | None,
        *,
        unread: str,
        resources: ExitStack,
    ) -> None:
        self.log = log
        self.snapshot = snapshot
        self.unread = unread
        self._assembly = assembly
        self._store = store
        self._resources = resources
        self._older: dict[str, Snapshot | None] = {}

    def of(self, record: DecisionRecord) -> Snapshot:
        """The catalog that decided, with the models there are now; if it is gone, what is in force."""
        version = record.catalog_version
        if version == self.snapshot.catalog.version or self._store is None:
            return self.snapshot
        if version not in self._older:
            if len(self._older) >= _KEPT:
                del self._older[next(iter(self._older))]
            self._older[version] = _stored(self._store, version, self._assembly)
        return self._older[version] or self.snapshot

    def another(self, folder: Path) -> Snapshot:
        """The snapshot another catalog folder would make. Raises `MistakesFound`."""
        return self._assembly.assemble(read_folder(folder), folder=str(folder))

    def close(self) -> None:
        """Release the files. Safe to call twice."""
        self._resources.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def open_logged(settings_path: str | Path, *, environ: Mapping[str, str] | None = None) -> Logged:
    """Open the decision log that a settings file names, with catalog and models as they are.

    Raises `MistakesFound`, `NotFound` when there is no log yet, `FailedPrecondition`.
    """
    found = prepared(settings_path, environ)
    if found.mistakes or found.snapshot is None or found.settings is None or found.assembly is None:
        raise MistakesFound(found.mistakes)
    with ExitStack() as opened:
        log = open_log_reader(found.settings.store.decision_log)
        opened.callback(log.close)
        store, unread = _store(found.settings, found.plugins.register)
        snapshot = found.snapshot
        if store is not None:
            opened.callback(store.close)
            snapshot = _in_force(snapshot, store, found.assembly)
        return Logged(
            log,
            snapshot,
            found.assembly,
            store,
            unread=unread,
            resources=opened.pop_all(),
        )


def _store(settings: Settings, register: Register) -> tuple[Store | None, str]:
    """The store, if there is one that can be opened; and why not, where that needs telling."""
    scheme = settings.store.url.partition(":")[0]
    try:
        return register.stores[scheme](settings.store.url, create=False, simulated=None), ""
    except NotFound:
        return None, ""
    except FailedPrecondition as error:
        return None, error.message


def _in_force(folder: Snapshot, store: Store, assembly: Assembly) -> Snapshot:
    """What an engine would start with: the folder's catalog if it was edited, else the store's."""
    published = store.publications()
    if not published:
        return folder
    last = published[-1]
    if last.folder not in ("", folder.catalog.version) or last.version == folder.catalog.version:
        return folder
    return _stored(store, last.version, assembly) or folder


def _stored(store: Store, version: str, assembly: Assembly) -> Snapshot | None:
    """A catalog of the store; None when it is not there, or can no longer be loaded."""
    files = store.catalog_files(version)
    if files is None:
        return None
    try:
        return assembly.assemble(files, folder=f"catalog {version}")
    except MistakesFound:
        return None
