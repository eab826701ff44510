"""What commands that learn stand on: settings, catalog and store, without models and tables.

Those may not be there yet: it is these commands that make them.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec

from nba_engine.app.plugins import load_plugins
from nba_engine.catalog import Vocabulary, load, read_folder
from nba_engine.domain import CatalogView, Store
from nba_engine.domain.fitted import FittedTable
from nba_engine.engine import status_of
from nba_engine.errors import Mistake, MistakesFound, NotFound
from nba_engine.models import load_fitted
from nba_engine.settings import Settings, read_settings, suggest

__all__ = ["Learnable", "open_learnable"]

_MADE = ("models.", "tables.")  # places in the settings of what is learned


class Learnable(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """``catalog``: the one in force, or that of the folder as long as none was published.

    ``load`` makes a catalog of files, such as a stored version's.
    """

    settings: Settings
    catalog: CatalogView
    store: Store
    load: Callable[[Mapping[str, str]], CatalogView]


@contextmanager
def open_learnable(
    settings_path: Path,
    *,
    otherwise: Store | None = None,
    environ: Mapping[str, str] | None = None,
) -> Iterator[Learnable]:
    """Open the store that a settings file names, also beside servers that use it.

    ``otherwise``: the store to take where there is none. Raises `MistakesFound` for mistakes in
    settings, plugins and catalog (not for models and tables), `NotFound` when there is no store and
    nothing to take instead.
    """
    file = str(settings_path)
    settings, found = read_settings(settings_path, os.environ if environ is None else environ)
    mistakes = [one for one in found if not one.place.startswith(_MADE)]
    if settings is None or mistakes:
        raise MistakesFound(mistakes)
    register = load_plugins(settings.plugins).require()
    scheme = settings.store.url.partition(":")[0]
    if scheme not in register.stores:
        message = f"no plugin offers stores of the scheme {scheme!r}"
        remedy = suggest(scheme, register.stores, "schemes")
        raise MistakesFound([Mistake(file=file, place="store.url", message=message, remedy=remedy)])
    opened: Store | None = None
    try:
        opened = register.stores[scheme](settings.store.url, create=False, simulated=None)
    except NotFound:
        if otherwise is None:
            raise
    store = otherwise if opened is None else opened
    assert store is not None
    vocabulary = Vocabulary(
        functions=register.rule_functions,
        channel_kinds=frozenset(register.channels),
        fitted=_fitted(settings.affinities.path),
    )

    def read(files: Mapping[str, str]) -> CatalogView:
        return load(files, vocabulary)

    try:
        yield Learnable(
            settings=settings,
            catalog=_catalog_in_force(settings, read, store),
            store=store,
            load=read,
        )
    finally:
        if opened is not None:
            opened.close()


def _fitted(path: Path) -> FittedTable:
    """What is known of affinities; one that cannot be read is about to be made anew."""
    try:
        return load_fitted(path)[0]
    except MistakesFound:
        return FittedTable()


def _catalog_in_force(
    settings: Settings, read: Callable[[Mapping[str, str]], CatalogView], store: Store
) -> CatalogView:
    for one, status in status_of(store.publications(), time.time()):
        files = store.catalog_files(one.version) if status == "in_force" else None
        if files is not None:
            return read(files)
    return read(read_folder(settings.catalog.path))
