"""The profile source ``sql``."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import sqlalchemy
from sqlalchemy import event
from sqlalchemy.engine import URL, Connection, Engine, RowMapping, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from nba_engine.domain import Values
from nba_engine.errors import Mistake, MistakesFound
from nba_sql.settings import SqlSettings
from nba_sql.values import as_declared
from nba_sql.watch import Watch

__all__ = ["SqlSource"]

_RECYCLE = 300  # seconds after which a connection is replaced
_PATIENCE = 1.0  # seconds beyond the statement's timeout: then nothing comes any more
_LOOK_EVERY = 10_000  # steps of SQLite's machine between two looks at the clock

_log = logging.getLogger("nba_sql")


class SqlSource:
    """Asks a database by one query. Thread-safe; connects when it is first asked."""

    def __init__(self, settings: SqlSettings, folder: Path) -> None:
        """Raises `MistakesFound` when the URL is none, or its driver is not installed."""
        self.batch = settings.batch if settings.asks_for_many else 1
        self._settings = settings
        self._query = sqlalchemy.text(settings.query)
        if settings.asks_for_many:
            many: sqlalchemy.BindParameter[Any] = sqlalchemy.bindparam("identities", expanding=True)
            self._query = self._query.bindparams(many)
        self._calls = threading.local()
        self._missing: set[str] = set()  # columns that were told
        self._engine = self._made(folder)

    def fetch(
        self,
        ids: Sequence[str],
        wanted: Mapping[str, str],
        *,
        seconds: float,  # noqa: ARG002 - what comes later is kept: the settings say how long it may take
    ) -> Mapping[str, Values]:
        """One query for all of them. Raises what the driver raises."""
        bound = self._bound(ids)
        if not bound:
            return {}
        limit = self._settings.statement_timeout_ms / 1000
        with Watch(limit + _PATIENCE) as watch:
            self._calls.watch = watch
            try:
                with self._engine.connect() as connection:
                    watch.take(connection.connection.dbapi_connection)
                    connection.info["until"] = time.monotonic() + limit
                    return self._asked(connection, bound, wanted)
            finally:
                self._calls.watch = None

    def close(self) -> None:
        """Close the connections that nobody uses; the others close when their calls end."""
        self._engine.dispose()

    def _asked(
        self, connection: Connection, bound: Mapping[object, list[str]], wanted: Mapping[str, str]
    ) -> dict[str, Values]:
        if not self._settings.asks_for_many:
            ((value, keys),) = bound.items()
            row = connection.execute(self._query, {"identity": value}).mappings().first()
            return {} if row is None else {key: self._values(row, wanted) for key in keys}
        rows = connection.execute(self._query, {"identities": list(bound)}).mappings()
        found: dict[str, Values] = {}
        for row in rows:
            whose = row["identity"]
            whose = int(whose) if self._settings.identity_type == "integer" else str(whose)
            found |= {key: self._values(row, wanted) for key in bound.get(whose, ())}
        return found

    def _bound(self, ids: Sequence[str]) -> dict[object, list[str]]:
        """What is bound for each identity → the identities that it stands for."""
        bound: dict[object, list[str]] = {}
        for key in ids:
            if self._settings.identity_type == "text":
                bound.setdefault(key, []).append(key)
            elif key.isascii() and key.isdecimal() and len(key) < 19:
                bound.setdefault(int(key), []).append(key)
        return bound

    def _values(self, row: RowMapping, wanted: Mapping[str, str]) -> dict[str, Any]:
        """The attributes in a row; NULL is none."""
        values: dict[str, Any] = {}
        for name, kind in wanted.items():
            column = self._settings.columns.get(name, name)
            if column not in row:
                self._tell_missing(column, row)
            elif row[column] is not None:
                values[name] = as_declared(row[column], kind)
        return values

    def _tell_missing(self, column: str, row: RowMapping) -> None:
        if column not in self._missing:
            self._missing.add(column)
            _log.warning(
                "the query gives no column %r; it gives %s", column, ", ".join(map(repr, row))
            )

    def _made(self, folder: Path) -> Engine:
        try:
            url = _in_folder(make_url(self._settings.url), folder)
            engine = sqlalchemy.create_engine(
                url,
                isolation_level="AUTOCOMMIT",  # one query is all: no BEGIN, no ROLLBACK
                pool_size=self._settings.connections,
                max_overflow=0,
                pool_timeout=self._settings.connect_timeout_seconds,
                pool_recycle=_RECYCLE,
                pool_reset_on_return=None,
                hide_parameters=True,
                connect_args={**self._limits(url), **self._settings.connect_args},
            )
        except NoSuchModuleError:
            name = self._settings.url.partition(":")[0]
            raise _mistake(f"SQLAlchemy knows no database {name!r}", "check its name") from None
        except ArgumentError:  # its text may hold the URL, and so a password
            raise _mistake(
                "is no URL of a database", "dialect+driver://user@host/database"
            ) from None
        except ImportError as error:
            raise _mistake(f"its driver is not installed: {error.name}", "pip install it") from None
        self._prepare(engine)
        return engine

    def _limits(self, url: URL) -> dict[str, Any]:
        """How long the driver may take to connect."""
        seconds = self._settings.connect_timeout_seconds
        if url.get_backend_name() == "sqlite":
            return {"timeout": seconds}
        if url.get_driver_name() in ("psycopg", "psycopg2"):
            return {"connect_timeout": max(2, round(seconds))}
        return {}

    def _prepare(self, engine: Engine) -> None:
        """Let every connection read only, and end queries that take too long."""
        limit = round(self._settings.statement_timeout_ms)
        statements = list(self._settings.on_connect)
        if engine.dialect.name == "postgresql":
            statements = [
                "SET default_transaction_read_only = on",
                f"SET statement_timeout = {limit}",
                *statements,
            ]
        elif engine.dialect.name == "sqlite":
            statements = ["PRAGMA query_only = ON", *statements]

        @event.listens_for(engine, "do_connect")
        def connecting(dialect: Any, _record: Any, args: Any, more: Any) -> Any:
            connection = dialect.loaded_dbapi.connect(*args, **more)
            watch = getattr(self._calls, "watch", None)
            if watch is not None:  # what SQLAlchemy asks a new connection may hang, too
                watch.take(connection)
            return connection

        @event.listens_for(engine, "connect")
        def connected(connection: Any, record: Any) -> None:
            cursor = connection.cursor()
            for statement in statements:
                cursor.execute(statement)
            cursor.close()
            if engine.dialect.name == "postgresql":
                connection.commit()  # else the settings would end with their transaction
            elif engine.dialect.name == "sqlite":
                info = record.info
                connection.set_progress_handler(
                    lambda: time.monotonic() > info.get("until", float("inf")), _LOOK_EVERY
                )


def _in_folder(url: URL, folder: Path) -> URL:
    """The URL; a SQLite file is read only, and relative to the folder."""
    if url.get_backend_name() != "sqlite" or (url.database or "").startswith("file:"):
        return url
    if not url.database or url.database == ":memory:":
        raise _mistake("names no file", 'write its path: "sqlite:///crm.db"')
    path = quote(str(folder / url.database))
    return url.set(database=f"file:{path}", query={**url.query, "mode": "ro", "uri": "true"})


def _mistake(message: str, remedy: str) -> MistakesFound:
    """A mistake in the URL, of which nothing is repeated: it may hold a password."""
    return MistakesFound([Mistake(file="", place="url", message=message, remedy=remedy)])
