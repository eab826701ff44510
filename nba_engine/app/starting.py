"""Which catalog an engine starts with: that of its folder, or the one its store has in force."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from functools import partial

import msgspec

from nba_engine.app.assembly import Assembly
from nba_engine.domain import CatalogFiles, Publication, Store
from nba_engine.engine import Snapshot, lead_seconds
from nba_engine.errors import Mistake, MistakesFound, NbaError

__all__ = ["Start", "start_with"]

_log = logging.getLogger("nba_engine.app")


class Start(msgspec.Struct, frozen=True, kw_only=True):
    """What to start with, the publication it is of or comes after, and ``why`` in words."""

    snapshot: Snapshot
    sequence: int
    why: str


def start_with(
    folder: Snapshot,
    files: Mapping[str, str],
    assembly: Assembly,
    store: Store,
    *,
    publish: bool,
    clock: Callable[[], float] = time.time,
) -> Start:
    """The folder's catalog if it was edited since it was last looked at, else the store's.

    With ``publish`` an edited folder is put in force for all processes of the store, and this one
    starts when it is (a second, if others may be serving); without, it decides here alone. Raises
    `MistakesFound` when the store's catalog cannot be assembled.
    """
    published = store.publications()
    last = published[-1] if published else None
    version = folder.catalog.version
    taken = partial(_taken, store=store, last=last, folder=version, publish=publish, clock=clock)
    if last is None:
        why = "the catalog folder's: the first of this store"
        return taken(folder, files, why=why, lead=0.0)
    if last.folder not in ("", version):
        why = "the catalog folder's, which was edited since"
        return taken(folder, files, why=why, lead=lead_seconds(assembly.seconds))
    stored = files if last.version == version else store.catalog_files(last.version) or {}
    snapshot = folder if last.version == version else _assembled(assembly, last, stored)
    why = f"the store's, published {_origin(last)}"
    if last.version != version:
        why += "; the catalog folder has another one, not edited since"
    if snapshot.model_versions != dict(last.models):
        why += "; its models have changed since"
        return taken(snapshot, stored, why=why, lead=lead_seconds(assembly.seconds))
    _wait_for(last, clock)
    return Start(snapshot=snapshot, sequence=last.sequence, why=why)


def _taken(
    snapshot: Snapshot,
    files: Mapping[str, str],
    *,
    why: str,
    lead: float,
    store: Store,
    last: Publication | None,
    folder: str,
    publish: bool,
    clock: Callable[[], float],
) -> Start:
    """Publish a snapshot and wait until it is in force; or keep it to this process."""
    version = snapshot.catalog.version
    catalog = CatalogFiles(version=version, files=files)
    if not publish:
        try:
            if store.catalog_files(version) is None:
                store.keep_catalog(catalog)
        except NbaError as error:  # it costs explanations later, nothing now
            _log.warning("the store cannot keep catalog %s: %s", version, error.reason)
        sequence = 0 if last is None else last.sequence
        return Start(snapshot=snapshot, sequence=sequence, why=f"{why}; in this process alone")
    now = clock()
    publication, _ = store.publish_catalog(
        catalog,
        Publication(
            version=version,
            models=snapshot.model_versions,
            origin="folder",
            time=now,
            switch_time=now + lead,
            folder=folder,
        ),
    )
    _wait_for(publication, clock)
    return Start(snapshot=snapshot, sequence=publication.sequence, why=why)


def _assembled(assembly: Assembly, last: Publication, files: Mapping[str, str]) -> Snapshot:
    """The store's catalog; mistakes name it, and what to do."""
    try:
        return assembly.assemble(files, folder=f"catalog {last.version}")
    except MistakesFound as found:
        hint = Mistake(
            file=f"catalog {last.version}",
            place="",
            message=f"is in force (published {_origin(last)}) and cannot be loaded",
            remedy="put another one in force: nba catalog rollback, or nba catalog publish",
        )
        raise MistakesFound([*found.mistakes, hint]) from found


def _wait_for(publication: Publication, clock: Callable[[], float]) -> None:
    """Until a publication is in force; never longer than its publisher meant."""
    left = min(publication.switch_time - clock(), publication.switch_time - publication.time)
    if left > 0:
        time.sleep(left)


def _origin(publication: Publication) -> str:
    words = {"folder": "from the catalog folder", "rollback": "by a rollback"}
    text = words.get(publication.origin, "from files handed over")
    return f"{text} by {publication.author}" if publication.author else text
