"""A store in PostgreSQL: its history, and a server that is killed, stopped and frozen."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from faults.database import Change, Moment
from faults.servers import Servers
from nba_postgres.address import Address, address_of
from nba_postgres.testing import TestServer, running_server

__all__ = ["FAULTS", "PostgresDatabase", "PostgresFaults", "durable_server", "watch_schema"]

FAULTS = ("kill", "stop", "freeze")

# Written by the database itself. The numbers of lines are in the order of the commits for lines
# that have an account in common: whoever writes one holds the row of the account until it commits.
# Lines of one transaction took place at once.
_WATCH = """
CREATE TABLE fault_history(
  seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, xid xid8 NOT NULL,
  reservation_id text NOT NULL, customer_id text NOT NULL, holds text NOT NULL,
  was smallint, status smallint NOT NULL
);
CREATE INDEX fault_history_of ON fault_history(xid);
CREATE FUNCTION fault_note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO fault_history(xid, reservation_id, customer_id, holds, was, status)
  VALUES (pg_current_xact_id(), new.reservation_id, new.customer_id, new.holds,
          CASE WHEN tg_op = 'UPDATE' THEN old.status END, new.status);
  RETURN NULL;
END $$;
CREATE TRIGGER fault_granted AFTER INSERT ON reservations
FOR EACH ROW EXECUTE FUNCTION fault_note();
CREATE TRIGGER fault_ended AFTER UPDATE OF status ON reservations
FOR EACH ROW EXECUTE FUNCTION fault_note();
"""
_NEWS = """
SELECT xid::text, reservation_id, customer_id, holds, was, status FROM fault_history
WHERE %(seen)s::pg_snapshot IS NULL
   OR (xid >= pg_snapshot_xmin(%(seen)s) AND NOT pg_visible_in_snapshot(xid, %(seen)s))
ORDER BY seq
"""


def durable_server() -> Any:
    """A new server that syncs what it commits, as one must; a context manager."""
    return running_server({"fsync": "on", "full_page_writes": "on", "shared_buffers": "128MB"})


def watch_schema(url: str) -> None:
    """Let the database of a store write down its own history. Before any customer comes."""
    with _connected(address_of(url)) as connection:
        connection.execute(_WATCH)


class PostgresDatabase:
    """A schema. `faults.database.Database`. Each look is over a connection of its own."""

    def __init__(self, url: str) -> None:
        self._address = address_of(url)
        self._seen: str | None = None  # all transactions that were committed by the last moment

    @contextmanager
    def moment(self) -> Iterator[Moment]:
        """Look at it as it is now."""
        with _connected(self._address) as connection:
            connection.execute("SET default_transaction_isolation = 'repeatable read'")
            with connection.transaction():
                yield _Moment(connection, self._since)

    def _since(self, now: str) -> str | None:
        seen, self._seen = self._seen, now
        return seen

    def save(self, folder: Path) -> None:
        """Every table as CSV in ``postgres/``: the server's own files go with the server."""
        into = folder / "postgres"
        into.mkdir()
        try:
            with _connected(self._address) as connection:
                tables = connection.execute(
                    "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()"
                )
                for (table,) in tables.fetchall():
                    with (
                        (into / f"{table}.csv").open("wb") as file,
                        connection.cursor().copy(
                            f'COPY "{table}" TO STDOUT (FORMAT csv, HEADER)'.encode()
                        ) as rows,
                    ):
                        file.writelines(rows)
        except psycopg.Error as error:
            (into / "unreadable").write_text(str(error), "utf-8")

    def close(self) -> None:
        """Nothing is held between two moments."""


class _Moment:
    """One transaction. `faults.database.Moment`."""

    def __init__(
        self, connection: psycopg.Connection[Any], since: Callable[[str], str | None]
    ) -> None:
        self._connection = connection
        self._since = since

    def news(self) -> Iterator[Sequence[Change]]:
        """Transactions in the order in which they first wrote."""
        ((now,),) = self.rows("SELECT pg_current_snapshot()::text")
        commits: dict[str, list[Change]] = {}
        found = self._connection.execute(_NEWS, {"seen": self._since(now)})
        for xid, *change in found:
            commits.setdefault(xid, []).append(Change(*change))
        yield from commits.values()

    def length(self) -> int:
        """How many lines there are."""
        ((count,),) = self.rows("SELECT count(*) FROM fault_history")
        return int(count)

    def rows(self, sql: str, *values: object) -> Iterable[tuple[Any, ...]]:
        """The rows of a query."""
        return self._connection.execute(sql.replace("?", "%s").encode(), values).fetchall()

    def missing(self, table: str, key: str, names: Sequence[str]) -> set[str]:
        """Which of these are not there."""
        sql = (
            f"SELECT name FROM unnest(?::text[]) AS wanted(name)"
            f" WHERE NOT EXISTS (SELECT FROM {table} WHERE {key} = name)"
        )
        return {name for (name,) in self.rows(sql, list(names))}


class PostgresFaults:
    """What befalls a database server while others work with it.

    ``away``: seconds for which it is stopped, or frozen.
    """

    def __init__(self, server: TestServer, chosen: random.Random, away: float) -> None:
        self._server = server
        self._chosen = chosen
        self._away = away

    def strike(self, kind: str, servers: Servers) -> int:
        """One fault, after which the database answers again; how many processes were killed, too.

        While it is stopped, a server process is killed and finds no database when it starts.
        """
        if kind == "kill":
            self._server.kill()
            self._server.start()
            return 0
        if kind == "freeze":
            self._server.freeze()
            time.sleep(self._away)
            self._server.thaw()
            return 0
        self._server.stop()
        time.sleep(self._away / 2)
        number = servers.kill(self._chosen)
        time.sleep(self._away / 2)
        self._server.start()
        servers.await_ready(number)
        return 1


def _connected(address: Address) -> psycopg.Connection[Any]:
    options = f"-c search_path={address.schema}"
    return psycopg.connect(**{**address.conninfo, "options": options}, autocommit=True)  # type: ignore[arg-type]
