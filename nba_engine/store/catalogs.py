"""Catalogs: their files by content hash, and the list of what was put in force."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import apsw
import msgspec

from nba_engine.domain import CatalogFiles, Publication
from nba_engine.errors import FailedPrecondition
from nba_engine.store.faults import DRIVER_ERRORS, translated
from nba_engine.store.files import Readers
from nba_engine.store.writer import Writer

__all__ = ["CATALOGS", "StoredCatalogs", "check_follows", "next_publication"]

CATALOGS = """
CREATE TABLE catalogs(
  version TEXT PRIMARY KEY,           -- content hash
  files BLOB NOT NULL                 -- zlib of msgpack of {name: text}
) STRICT, WITHOUT ROWID;
-- What was put in force; the last one that is due is.
CREATE TABLE publications(
  sequence INTEGER PRIMARY KEY,
  version TEXT NOT NULL,              -- of a catalog; whose files may have been forgotten
  models TEXT NOT NULL,               -- JSON: {name: version}
  origin TEXT NOT NULL,
  author TEXT NOT NULL,
  comment TEXT NOT NULL,
  time REAL NOT NULL,
  switch_time REAL NOT NULL,
  folder TEXT NOT NULL                -- version of the catalog folder when last looked at
) STRICT;
"""

_COLUMNS = "sequence, version, models, origin, author, comment, time, switch_time, folder"
_decode_files = msgspec.msgpack.Decoder(dict[str, str]).decode
_decode_models = msgspec.json.Decoder(dict[str, str]).decode


class StoredCatalogs:
    """The verbs of `nba_engine.domain.Store` that are about catalogs, on SQLite."""

    _path: Path
    _readers: Readers
    _writer: Writer

    def keep_catalog(self, catalog: CatalogFiles, *, deadline: float | None = None) -> None:
        """Store a catalog without putting it in force."""
        self._writer.submit(lambda connection: _keep(connection, catalog), deadline=deadline)

    def publish_catalog(
        self,
        catalog: CatalogFiles,
        publication: Publication,
        *,
        follows: str = "",
        deadline: float | None = None,
    ) -> tuple[Publication, bool]:
        """Store a catalog and put it in force. See `nba_engine.domain.Store`."""

        def change(connection: apsw.Connection) -> tuple[Publication, bool]:
            last = _last(connection)
            wanted = next_publication(last, publication)
            if last is not None and wanted.sequence == last.sequence:
                if wanted.folder != last.folder:
                    connection.execute(
                        "UPDATE publications SET folder = ? WHERE sequence = ?",
                        (wanted.folder, wanted.sequence),
                    )
                return wanted, False
            check_follows(last, follows)
            _keep(connection, catalog)
            connection.execute(
                f"INSERT INTO publications({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608 - a constant
                (
                    wanted.sequence,
                    wanted.version,
                    msgspec.json.encode(wanted.models, order="deterministic").decode(),
                    wanted.origin,
                    wanted.author,
                    wanted.comment,
                    wanted.time,
                    wanted.switch_time,
                    wanted.folder,
                ),
            )
            return wanted, True

        return self._writer.submit(change, deadline=deadline)

    def publications(self, *, after: int = 0) -> Sequence[Publication]:
        """What was put in force, in order, from behind this sequence on."""
        try:
            rows = self._readers.connection().execute(
                f"SELECT {_COLUMNS} FROM publications WHERE sequence > ? ORDER BY sequence",  # noqa: S608 - a constant
                (after,),
            )
            return [_publication(row) for row in rows]
        except DRIVER_ERRORS as error:
            raise translated(error, self._path) from error

    def catalog_files(self, version: str) -> Mapping[str, str] | None:
        """The files of a catalog by its content hash; None: not stored."""
        try:
            packed: bytes | None = (
                self._readers.connection()
                .execute("SELECT files FROM catalogs WHERE version = ?", (version,))
                .get
            )
        except UnicodeEncodeError:
            return None  # no such version can have been stored
        except DRIVER_ERRORS as error:
            raise translated(error, self._path) from error
        return None if packed is None else _decode_files(zlib.decompress(packed))


def next_publication(last: Publication | None, wanted: Publication) -> Publication:
    """What publishing ``wanted`` after ``last`` comes to; the sequence of ``last``: nothing new.

    Switch times never go back, so that processes go through publications in their order.
    """
    if last is None:
        return msgspec.structs.replace(wanted, sequence=1)
    folder = wanted.folder or last.folder
    if (last.version, dict(last.models)) == (wanted.version, dict(wanted.models)):
        return msgspec.structs.replace(last, folder=folder)
    return msgspec.structs.replace(
        wanted,
        sequence=last.sequence + 1,
        switch_time=max(wanted.switch_time, last.switch_time),
        folder=folder,
    )


def check_follows(last: Publication | None, follows: str) -> None:
    """Raises `FailedPrecondition` when another catalog than expected was published last."""
    found = "" if last is None else last.version
    if follows and follows != found:
        raise FailedPrecondition(
            f"catalog {found or 'none'} was published last, not {follows}",
            reason="CATALOG_VERSION_MISMATCH",
            metadata={"catalog_version": found, "expected_version": follows},
        )


def _keep(connection: apsw.Connection, catalog: CatalogFiles) -> None:
    packed = zlib.compress(msgspec.msgpack.encode(dict(catalog.files)), 6)
    connection.execute("INSERT OR IGNORE INTO catalogs VALUES (?, ?)", (catalog.version, packed))


def _last(connection: apsw.Connection) -> Publication | None:
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM publications ORDER BY sequence DESC LIMIT 1"  # noqa: S608 - a constant
    )
    return next((_publication(row) for row in rows), None)


def _publication(row: tuple[object, ...]) -> Publication:
    named = dict(zip(_COLUMNS.split(", "), row, strict=True))
    named["models"] = _decode_models(str(named["models"]))
    return msgspec.convert(named, Publication)
