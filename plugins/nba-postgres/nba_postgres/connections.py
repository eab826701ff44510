"""Connections: made when needed, kept for the next, never waited for while the server is away."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import psycopg
from psycopg import errors, sql

from nba_engine.errors import Unavailable
from nba_postgres.address import Address
from nba_postgres.faults import translated

__all__ = ["Connection", "Connections", "open_connection"]

_T = TypeVar("_T")
Connection = psycopg.Connection[tuple[object, ...]]

MOST = 10  # reading connections of one process
LONGEST_STATEMENT = 10.0  # seconds; so long at most does a lost client hold locks, too
_ENDING = (errors.AdminShutdown, errors.CrashShutdown)  # the server's last words to a session
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 2.0  # seconds between attempts while the server is away

# What is written is durable, and each statement sees what was committed before it: whatever the
# server's defaults are. `local` and `off` of synchronous_commit would acknowledge too early.
_SETTINGS = """
SELECT set_config('statement_timeout', %(milliseconds)s, false),
       set_config('idle_in_transaction_session_timeout', %(milliseconds)s, false),
       set_config('default_transaction_isolation', 'read committed', false),
       set_config('synchronous_commit',
         CASE WHEN current_setting('synchronous_commit') IN ('off', 'local') THEN 'on'
              ELSE current_setting('synchronous_commit') END, false),
       set_config('search_path', %(schema)s, false)
"""


def open_connection(address: Address) -> Connection:
    """A connection as the store needs it. Raises driver errors."""
    connection = psycopg.connect(**address.conninfo, autocommit=True)  # type: ignore[arg-type]
    try:
        milliseconds = str(round(1_000 * LONGEST_STATEMENT))
        schema = sql.Identifier(address.schema).as_string(connection)
        connection.execute(_SETTINGS, {"milliseconds": milliseconds, "schema": schema})
    except BaseException:
        connection.close()
        raise
    return connection


class Connections:
    """Connections of one process to one store. Thread-safe.

    After a failed attempt the next one is made a moment later, and then ever later, up to two
    seconds; whoever asks in between is told at once that the server is away.
    """

    def __init__(self, address: Address) -> None:
        self._address = address
        self._idle: list[Connection] = []
        self._free = threading.Semaphore(MOST)
        self._lock = threading.Lock()
        self._closed = False
        self._pause = 0.0
        self._next_attempt = 0.0

    def read(self, work: Callable[[Connection], _T]) -> _T:
        """Run ``work``, which only reads; once more if the server had closed the connection.

        Raises `Unavailable`, and what ``work`` raises; driver errors are translated.
        """
        try:
            with self._borrowed() as (connection, fresh):
                try:
                    return work(connection)
                except psycopg.Error as error:
                    if isinstance(error, _ENDING):
                        connection.close()  # it does not know yet
                    if fresh or not connection.closed:
                        raise
            self.forget()  # a restart ends them all
            with self._borrowed() as (connection, _):
                return work(connection)
        except psycopg.Error as error:
            raise translated(error, self._address.show) from error

    def connect(self) -> Connection:
        """A new connection, which the caller closes. Raises `Unavailable`."""
        with self._lock:
            if self._closed:
                raise Unavailable(f"{self._address.show} is closed")
            if time.monotonic() < self._next_attempt:
                raise Unavailable(f"{self._address.show} cannot be reached now")
        try:
            connection = open_connection(self._address)
        except psycopg.Error as error:
            with self._lock:
                self._pause = min(_LONGEST_PAUSE, max(_FIRST_PAUSE, 2 * self._pause))
                self._next_attempt = time.monotonic() + self._pause * random.uniform(0.5, 1.0)
            raise translated(error, self._address.show) from error
        with self._lock:
            self._pause = self._next_attempt = 0.0
        return connection

    def forget(self) -> None:
        """Close all connections that nobody uses."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def close(self) -> None:
        """Close what is idle now, and the others when they come back."""
        with self._lock:
            self._closed = True
        self.forget()

    @contextmanager
    def _borrowed(self) -> Iterator[tuple[Connection, bool]]:
        """A connection, and whether it is new."""
        if not self._free.acquire(timeout=LONGEST_STATEMENT):
            raise Unavailable(f"{self._address.show}: all connections are busy")
        try:
            with self._lock:
                if self._closed:
                    raise Unavailable(f"{self._address.show} is closed")
                kept = self._idle.pop() if self._idle else None
            connection = kept or self.connect()
            try:
                yield connection, kept is None
            finally:
                self._give_back(connection)
        finally:
            self._free.release()

    def _give_back(self, connection: Connection) -> None:
        if connection.closed:
            return
        if connection.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
            connection.close()
            return
        with self._lock:
            if not self._closed:
                self._idle.append(connection)
                return
        connection.close()
