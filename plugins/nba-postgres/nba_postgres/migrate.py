"""The schema of a store: made, and brought up to date, by numbered files under ``migrations``."""

from __future__ import annotations

import os
import re
from importlib.resources import files

import msgspec
import psycopg
from psycopg import sql

from nba_engine.errors import FailedPrecondition, NotFound
from nba_postgres.address import Address
from nba_postgres.beginning import number_of
from nba_postgres.connections import Connection, open_connection
from nba_postgres.faults import translated

__all__ = ["Opened", "lock_of", "migrations", "open_schema"]


class Opened(msgspec.Struct, frozen=True):
    """What the database says of a store."""

    simulated: bool


def migrations() -> list[tuple[int, str]]:
    """Number and text of every migration, in order."""
    found = []
    for file in files("nba_postgres").joinpath("migrations").iterdir():
        number = re.match(r"(\d{4})_\w+\.sql$", file.name)
        if number:
            found.append((int(number[1]), file.read_text(encoding="utf-8")))
    return sorted(found)


def lock_of(schema: str) -> int:
    """The number of the lock on a store."""
    return number_of(schema)


def open_schema(address: Address, *, create: bool, simulated: bool | None) -> Opened:
    """Make sure that the store is there and of this version; make or migrate it if it is not.

    Several processes that start at once take turns. Raises `NotFound`, `FailedPrecondition` (made
    by a newer release, or of the other kind), `Unavailable`.
    """
    try:
        with open_connection(address) as connection, connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (lock_of(address.schema),))
            return _opened(connection, address, create=create, simulated=simulated)
    except psycopg.Error as error:
        raise translated(error, address.show) from error


def _opened(
    connection: Connection, address: Address, *, create: bool, simulated: bool | None
) -> Opened:
    version = _version(connection, address.schema)
    latest = migrations()[-1][0]
    if version is None:
        if not create:
            raise NotFound(f"there is no store in {address.show}")
        schema = sql.Identifier(address.schema)
        connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(schema))
        connection.execute(
            "CREATE TABLE schema_version(version integer PRIMARY KEY,"
            " applied timestamptz NOT NULL DEFAULT now())"
        )
    elif version > latest:
        raise FailedPrecondition(
            f"{address.show} has version {version} of the store; this release of nba-postgres"
            f" knows version {latest}: install a newer one"
        )
    for number, text in migrations():
        if number > (version or 0):
            connection.execute(text.encode())  # a file of this package
            connection.execute("INSERT INTO schema_version(version) VALUES (%s)", (number,))
    if version is None:
        connection.execute(
            "INSERT INTO meta(key, value, bytes) VALUES ('simulated', %s, NULL), ('salt', NULL, %s)",
            (float(bool(simulated)), os.urandom(16)),
        )
    (found,) = connection.execute("SELECT value FROM meta WHERE key = 'simulated'").fetchall()
    is_simulated = bool(found[0])
    if simulated is not None and is_simulated != simulated:
        has, wants = ("simulated", "real") if is_simulated else ("real", "simulated")
        raise FailedPrecondition(
            f"{address.show} was created as a {has} store, not as a {wants} one"
        )
    return Opened(is_simulated)


def _version(connection: Connection, schema: str) -> int | None:
    """The version of the store in this schema; None: there is none."""
    there = connection.execute(
        "SELECT 1 FROM pg_tables WHERE schemaname = %s AND tablename = 'schema_version'", (schema,)
    ).fetchone()
    if there is None:
        return None
    row = connection.execute("SELECT max(version) FROM schema_version").fetchone()
    return None if row is None else row[0]  # type: ignore[return-value] # an integer
