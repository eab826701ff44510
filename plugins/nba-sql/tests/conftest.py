"""Databases for tests: a SQLite file, and servers that accept connections and then say nothing."""

from __future__ import annotations

import socket
import sqlite3
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from nba_sql import FACTORY, SqlSettings
from nba_sql.source import SqlSource

ROWS = [
    ("1", "gold", 1, 12.5, "2017-11-07 12:00:00", '["tea", "milk"]', 5.0),
    ("2", None, 0, 3, "2017-11-07", "[]", 5.5),
    ("007", "new", 2, None, "soon", "no json", None),
]


def make_crm(folder: Path) -> str:
    """A SQLite file with three customers; its URL, relative to the folder."""
    with closing(sqlite3.connect(folder / "crm.db")) as connection:
        connection.execute(
            "CREATE TABLE customers(number TEXT, segment, vip, basket, joined, likes, visits)"
        )
        connection.executemany("INSERT INTO customers VALUES (?, ?, ?, ?, ?, ?, ?)", ROWS)
        connection.commit()
    return "sqlite:///crm.db"


ONE = "SELECT * FROM customers WHERE number = :identity"
Make = Callable[..., SqlSource]
SilentServer = Callable[[bool], AbstractContextManager[int]]


@pytest.fixture
def make_source(tmp_path: Path) -> Iterator[Make]:
    """Builds sources as the engine does; over the file of three customers unless told otherwise."""
    made: list[SqlSource] = []
    url = make_crm(tmp_path)

    def make(query: str = ONE, **settings: Any) -> SqlSource:
        own = SqlSettings(query=query, **{"url": url, **settings})
        made.append(FACTORY.build(own, tmp_path))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def silent_server() -> SilentServer:
    """Opens a server that never answers; with True it lets PostgreSQL clients in first."""
    return lambda greets: _silent_server(greets=greets)


@contextmanager
def _silent_server(*, greets: bool = False) -> Iterator[int]:
    """Accepts connections and never answers; the port.

    With ``greets`` it lets PostgreSQL clients in (whoever they are), and is silent from their first
    query on.
    """
    stopping = threading.Event()
    taken: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        server.settimeout(0.05)

        def serve() -> None:
            while not stopping.is_set():
                try:
                    taken.append(server.accept()[0])
                except TimeoutError:
                    continue
                if greets:
                    _greet(taken[-1])

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            stopping.set()
            thread.join(5)
            for each in taken:
                each.close()


def _greet(client: socket.socket) -> None:
    """What PostgreSQL says to a new connection: no TLS, you are in, ready."""
    client.settimeout(5)
    while True:
        (length,) = struct.unpack("!I", client.recv(4))
        (code,) = struct.unpack("!I", client.recv(length - 4)[:4])
        if code == 3 << 16:
            break
        client.sendall(b"N")  # it asked for TLS, or for GSS
    said = [("server_version", "17.0"), ("client_encoding", "UTF8")]
    parameters = b"".join(_message(b"S", f"{name}\0{value}\0".encode()) for name, value in said)
    client.sendall(_message(b"R", b"\0\0\0\0") + parameters + _message(b"Z", b"I"))


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!I", len(body) + 4) + body
