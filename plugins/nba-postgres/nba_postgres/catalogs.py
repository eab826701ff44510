"""Catalogs: their files by content hash, and the list of what was put in force.

Processes find publications by asking: `nba_engine.engine.Catalogs` asks four times a second, and
what is published decides from a moment on that is further ahead than that.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any

import msgspec

from nba_engine.domain import CatalogFiles, Publication
from nba_engine.store.catalogs import check_follows, next_publication
from nba_postgres.connections import Connection
from nba_postgres.session import Session

__all__ = ["keep_catalog", "publish_catalog", "read_catalog", "read_publications"]

_COLUMNS = "sequence, version, models, origin, author, comment, time, switch_time, folder"
_KEEP = """
INSERT INTO catalogs(version, files) VALUES (%(version)s, %(files)s) ON CONFLICT DO NOTHING
"""
_LAST = f"SELECT {_COLUMNS} FROM publications ORDER BY sequence DESC LIMIT 1"  # noqa: S608 - a constant
_AFTER = f"SELECT {_COLUMNS} FROM publications WHERE sequence > %s ORDER BY sequence"  # noqa: S608 - a constant
_PUBLISH = f"""
INSERT INTO publications({_COLUMNS})
VALUES (%(sequence)s, %(version)s, %(models)s, %(origin)s, %(author)s, %(comment)s, %(time)s,
        %(switch_time)s, %(folder)s)
"""  # noqa: S608 - a constant
_FOLDER = "UPDATE publications SET folder = %(folder)s WHERE sequence = %(sequence)s"

_decode_files = msgspec.msgpack.Decoder(dict[str, str]).decode
_decode_models = msgspec.json.Decoder(dict[str, str]).decode


def keep_catalog(session: Session, catalog: CatalogFiles) -> None:
    """Store a catalog; a version that is stored stays as it is."""
    packed = zlib.compress(msgspec.msgpack.encode(dict(catalog.files)), 6)
    session.rows(_KEEP, version=catalog.version, files=packed)


def publish_catalog(
    session: Session, catalog: CatalogFiles, publication: Publication, follows: str
) -> tuple[Publication, bool]:
    """Store a catalog and put it in force, with the store alone. See `nba_engine.domain.Store`."""
    last = next((_publication(row) for row in session.rows(_LAST)), None)
    wanted = next_publication(last, publication)
    if last is not None and wanted.sequence == last.sequence:
        if wanted.folder != last.folder:
            session.rows(_FOLDER, folder=wanted.folder, sequence=wanted.sequence)
        return wanted, False
    check_follows(last, follows)
    keep_catalog(session, catalog)
    values = msgspec.structs.asdict(wanted)
    models = msgspec.json.encode(wanted.models, order="deterministic").decode()
    session.rows(_PUBLISH, **{**values, "models": models})
    return wanted, True


def read_publications(connection: Connection, after: int) -> list[Publication]:
    """What was put in force, in order, from behind this sequence on."""
    rows: Any = connection.execute(_AFTER, (after,), prepare=True).fetchall()
    return [_publication(row) for row in rows]


def read_catalog(connection: Connection, version: str) -> Mapping[str, str] | None:
    """The files of a catalog by its content hash; None: not stored."""
    row: Any = connection.execute(
        "SELECT files FROM catalogs WHERE version = %s", (version,)
    ).fetchone()
    return None if row is None else _decode_files(zlib.decompress(row[0]))


def _publication(row: tuple[Any, ...]) -> Publication:
    named = dict(zip(_COLUMNS.split(", "), row, strict=True))
    named["models"] = _decode_models(str(named["models"]))
    return msgspec.convert(named, Publication)
