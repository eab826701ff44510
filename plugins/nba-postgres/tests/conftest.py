"""One PostgreSQL server for all tests of a process: a new one, or that of ``NBA_TEST_POSTGRES``."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator

import psycopg
import pytest

from nba_postgres.address import address_of
from nba_postgres.testing import running_server

_numbers = itertools.count()


@pytest.fixture(scope="session")
def server_url() -> Iterator[Callable[[str], str]]:
    """Schema → URL of a store in the server."""
    if given := os.environ.get("NBA_TEST_POSTGRES"):
        yield lambda schema: f"{given}{'&' if '?' in given else '?'}schema={schema}"
        return
    with running_server() as server:
        yield server.url


@pytest.fixture
def url(server_url: Callable[[str], str]) -> Iterator[Callable[[str], str]]:
    """Name → URL of a store of this test. In a server that stays, they are dropped at its end."""
    prefix = f"t{os.getpid()}_{next(_numbers)}_"
    yield lambda name: server_url(prefix + name.replace("-", "_"))
    if "NBA_TEST_POSTGRES" not in os.environ:
        return
    with psycopg.connect(**address_of(server_url("x")).conninfo, autocommit=True) as connection:  # type: ignore[arg-type]
        names = connection.execute(
            "SELECT nspname FROM pg_namespace WHERE starts_with(nspname, %s)", (prefix,)
        ).fetchall()
        for (name,) in names:
            connection.execute(f'DROP SCHEMA "{name}" CASCADE'.encode())
