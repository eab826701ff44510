"""What past decisions are looked at with: the log, and the catalogs that decided."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self, TypeAlias

import msgspec

from nba_engine.app.assembly import Assembly
from nba_engine.app.check import prepared
from nba_engine.catalog import read_folder
from nba_engine.domain import CatalogView, DecisionRecord, Store
from nba_engine.engine import Snapshot
from nba_engine.errors import FailedPrecondition, MistakesFound, NotFound
from nba_engine.plugin import Register
from nba_engine.settings import OfferedModel, RegisteredModel, Settings
from nba_engine.store import LogReader, open_log_reader

__all__ = ["Logged", "open_logged"]

_Source: TypeAlias = Path | OfferedModel | RegisteredModel

_KEPT = 4  # older snapshots in memory


class Logged:
    """A decision log, the snapshot in force, and those of older catalogs. A context manager.

    The engine may be serving meanwhile: nothing is written, and of the store only the catalogs
    are read, and what became of decisions. ``unread`` says why they could not be, if so; the folder's catalog is taken then.
    """

    def __init__(
        self,
        log: LogReader | None,
        snapshot: Snapshot,
        assembly: Assembly,
        store: Store | None,
        *,
        settings: Settings,
        register: Register,
        unread: str,
        resources: ExitStack,
    ) -> None:
        self._log = log
        self.snapshot = snapshot
        self.unread = unread
        self._settings = settings
        self._register = register
        self._assembly = assembly
        self._store = store
        self._resources = resources
        self._older: dict[str, Snapshot | None] = {}

    def of(self, record: DecisionRecord) -> Snapshot:
        """The catalog that decided, with the models there are now; if it is gone, what is in force."""
        version = record.catalog_version
        if version == self.snapshot.catalog.version or self._store is None:
            return self.snapshot
        return self._stored(version, self._store) or self.snapshot

    def another(self, folder: Path) -> Snapshot:
        """The snapshot another catalog folder would make. Raises `MistakesFound`."""
        return self._assembly.assemble(read_folder(folder), folder=str(folder))

    def challenger(self, folder: Path | None, models: Mapping[str, str]) -> Snapshot:
        """The snapshot of another catalog (None: of the one in force) with other models.

        ``models``: name in the settings → another name there, a model's folder, or a version of the
        registry. Raises `MistakesFound`, `NotFound`.
        """
        known = self._settings.models
        sources = {name: _source(name, text, known) for name, text in models.items()}
        settings = msgspec.structs.replace(self._settings, models={**known, **sources})
        assembly = Assembly(settings, self._register)
        if folder is not None:
            return assembly.assemble(read_folder(folder), folder=str(folder))
        version = self.snapshot.catalog.version
        files = None if self._store is None else self._store.catalog_files(version)
        return assembly.assemble(read_folder(settings.catalog.path) if files is None else files)

    @property
    def settings(self) -> Settings:
        """The settings it was opened by."""
        return self._settings

    @property
    def register(self) -> Register:
        """What plugins offer."""
        return self._register

    @property
    def log(self) -> LogReader:
        """The decision log; not to be asked for when it was opened without."""
        assert self._log is not None
        return self._log

    @property
    def store(self) -> Store:
        """The store, to read what became of decisions. Raises `FailedPrecondition` without one."""
        if self._store is None:
            raise FailedPrecondition(
                f"the store cannot be read ({self.unread or 'there is none yet'}): what became of "
                "decisions is there, or in files (--interactions)"
            )
        return self._store

    def catalog_of(self, version: str) -> CatalogView | None:
        """The catalog of a version; None when it is gone."""
        if version == self.snapshot.catalog.version:
            return self.snapshot.catalog
        if self._store is None:
            return None
        older = self._stored(version, self._store)
        return None if older is None else older.catalog

    def _stored(self, version: str, store: Store) -> Snapshot | None:
        if version not in self._older:
            if len(self._older) >= _KEPT:
                del self._older[next(iter(self._older))]
            self._older[version] = _stored(store, version, self._assembly)
        return self._older[version]

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


def open_logged(
    settings_path: str | Path,
    *,
    with_log: bool = True,
    environ: Mapping[str, str] | None = None,
) -> Logged:
    """Open the decision log that a settings file names, with catalog and models as they are.

    ``with_log`` False: the decisions are in other files, and only the rest is opened.
    Raises `MistakesFound`, `NotFound` when there is no log yet, `FailedPrecondition`.
    """
    found = prepared(settings_path, environ)
    if found.mistakes or found.snapshot is None or found.settings is None or found.assembly is None:
        raise MistakesFound(found.mistakes)
    with ExitStack() as opened:
        log = open_log_reader(found.settings.store.decision_log) if with_log else None
        if log is not None:
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
            settings=found.settings,
            register=found.plugins.register,
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


def _source(name: str, text: str, known: Mapping[str, _Source]) -> _Source:
    """What stands for a model of the settings: another of them, a folder, or a version of it."""
    if name not in known:
        raise NotFound(
            f"the settings have no model {name!r}; there are: {', '.join(sorted(known)) or 'none'}"
        )
    if text in known:
        return known[text]
    scheme, colon, rest = text.partition(":")
    if colon and scheme == "registry":
        registered, _, version = rest.partition("@")
        return RegisteredModel(registered, version)
    if colon and scheme == "plugin":
        return OfferedModel(rest)
    if not Path(text).is_dir() and isinstance(source := known[name], RegisteredModel):
        return RegisteredModel(source.name, text)
    return Path(text).absolute()


def _stored(store: Store, version: str, assembly: Assembly) -> Snapshot | None:
    """A catalog of the store; None when it is not there, or can no longer be loaded."""
    files = store.catalog_files(version)
    if files is None:
        return None
    try:
        return assembly.assemble(files, folder=f"catalog {version}")
    except MistakesFound:
        return None
