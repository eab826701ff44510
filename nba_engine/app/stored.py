"""The catalogs of a store, looked at and published without a server: what `nba catalog` works on."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from nba_engine.app.assembly import Assembly
from nba_engine.app.plugins import load_plugins
from nba_engine.catalog import read_folder, read_leniently, version_of
from nba_engine.domain import CatalogFiles, CatalogView, Publication, Store
from nba_engine.engine import Status, last_two, lead_seconds, status_of
from nba_engine.errors import Mistake, MistakesFound, NotFound
from nba_engine.settings import read_settings, suggest

__all__ = ["StoredCatalogs", "stored_catalogs"]


class StoredCatalogs:
    """What a store has of catalogs. Every process of the store follows what is published here."""

    def __init__(
        self,
        store: Store,
        assembly: Assembly,
        folder: Path,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.store = store
        self._assembly = assembly
        self._folder = folder
        self._clock = clock

    def history(self) -> list[tuple[Publication, Status]]:
        """Every publication, the latest first, and whether it is the one in force."""
        return status_of(self.store.publications(), self._clock())

    def find(self, version: str) -> str:
        """The whole of a version that was given by its first characters; "": the one in force.

        Raises `NotFound`.
        """
        found = {
            one.version
            for one, status in self.history()
            if (one.version.startswith(version) if version else status == "in_force")
        }
        if len(found) != 1:
            how = "several published catalogs begin" if found else "no published catalog begins"
            text = f"{how} with {version!r}" if version else "no catalog was published yet"
            raise NotFound(text, reason="CATALOG_VERSION_NOT_FOUND")
        return found.pop()

    def in_force(self) -> CatalogView:
        """The catalog in force; as long as none was published, that of the folder.

        Raises `MistakesFound` when it cannot be loaded here.
        """
        for one, status in self.history():
            if status == "in_force":
                files, shown = self.files(one.version), f"catalog {one.version}"
                return self._assembly.assemble(files, folder=shown).catalog
        return self._assembly.assemble(read_folder(self._folder), folder=str(self._folder)).catalog

    def is_stored(self, version: str) -> bool:
        """Whether the files of a version are there; `[retention] catalogs_days` deletes old ones."""
        return self.store.catalog_files(version) is not None

    def files(self, version: str) -> Mapping[str, str]:
        """The files of a stored catalog. Raises `NotFound`."""
        files = self.store.catalog_files(version)
        if files is None:
            raise NotFound(f"no catalog {version} is stored", reason="CATALOG_VERSION_NOT_FOUND")
        return files

    def publish(
        self, folder: Path | None, *, follows: str = "", author: str = "", comment: str = ""
    ) -> tuple[Publication, bool]:
        """Put the catalog of a folder (None: that of the settings) in force, and wait until it is.

        Raises `MistakesFound`, `FailedPrecondition` (``CATALOG_VERSION_MISMATCH``).
        """
        path = folder or self._folder
        files, mistakes = read_leniently(path, str(path))
        if mistakes:
            raise MistakesFound(mistakes)
        origin = "folder" if path.resolve() == self._folder.resolve() else "files"
        return self._publish(files, str(path), origin, follows, author, comment)

    def try_models(self, versions: Mapping[str, str]) -> None:
        """Assemble the catalog in force with these versions of models of the registry.

        As long as none was published, that of the folder. Raises `MistakesFound`; changes nothing.
        """
        for one, status in self.history():
            if status == "in_force":
                files, shown = self.files(one.version), f"catalog {one.version}"
                break
        else:
            files, shown = read_folder(self._folder), str(self._folder)
        self._assembly.assemble(files, folder=shown, models=versions)

    def publish_models(self, *, author: str = "", comment: str = "") -> None:
        """Publish what was published last with the models that are promoted now, and wait.

        Raises like `publish`.
        """
        last = self.store.publications()[-1].version
        self._publish(self.files(last), f"catalog {last}", "model", last, author, comment)

    def rollback(
        self, version: str = "", *, follows: str = "", author: str = "", comment: str = ""
    ) -> tuple[Publication, bool]:
        """Publish a stored version again; "": the one before the latest. Raises like `publish`."""
        if not version:
            last, version = last_two(self.store.publications())
            follows = follows or last
        files = self.files(version)
        return self._publish(files, f"catalog {version}", "rollback", follows, author, comment)

    def _publish(
        self,
        files: Mapping[str, str],
        shown: str,
        origin: str,
        follows: str,
        author: str,
        comment: str,
    ) -> tuple[Publication, bool]:
        snapshot = self._assembly.assemble(files, folder=shown)
        first = not self.store.publications()
        lead = 0.0 if first else lead_seconds(self._assembly.seconds)
        now = self._clock()
        version = snapshot.catalog.version
        here = version_of(read_leniently(self._folder)[0])
        publication, new = self.store.publish_catalog(
            CatalogFiles(version=version, files=files),
            Publication(
                version=version,
                models=snapshot.model_versions,
                origin=origin,
                author=author,
                comment=comment,
                time=now,
                switch_time=now + lead,
                folder=here if first or here == version else "",
            ),
            follows=follows,
        )
        left = min(publication.switch_time - self._clock(), lead)
        if left > 0:
            time.sleep(left)
        return publication, new


@contextmanager
def stored_catalogs(
    settings_path: str | Path, *, create: bool = True, environ: Mapping[str, str] | None = None
) -> Iterator[StoredCatalogs]:
    """The catalogs of the store that a settings file names, also beside servers that use it.

    Not to ``create`` one raises `NotFound` when there is none.

    Raises `MistakesFound` for mistakes in settings and plugins; those of the catalog in force do
    not matter here.
    """
    file = str(settings_path)
    settings, mistakes = read_settings(settings_path, os.environ if environ is None else environ)
    if settings is None or mistakes:
        raise MistakesFound(mistakes)
    plugins = load_plugins(settings.plugins)
    register = plugins.require()
    scheme = settings.store.url.partition(":")[0]
    if scheme not in register.stores:
        message = f"no plugin offers stores of the scheme {scheme!r}"
        remedy = suggest(scheme, register.stores, "schemes")
        mistake = Mistake(file=file, place="store.url", message=message, remedy=remedy)
        raise MistakesFound([mistake])
    store = register.stores[scheme](settings.store.url, create=create, simulated=None)
    try:
        yield StoredCatalogs(store, Assembly(settings, register, file=file), settings.catalog.path)
    finally:
        store.close()
