"""The source on a real PostgreSQL server, which also goes away and comes back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from urllib.parse import quote

import psycopg
import pytest
from sqlalchemy.exc import SQLAlchemyError

from nba_postgres.address import address_of
from nba_postgres.testing import TestServer, running_server
from nba_sql.source import SqlSource

Make = Callable[..., SqlSource]

WANTED: Mapping[str, str] = {
    "segment": "string",
    "vip": "bool",
    "basket": "double",
    "visits": "int",
    "joined": "timestamp",
    "born": "timestamp",
    "likes": "list<string>",
    "scores": "map<string,double>",
    "card": "string",
}
ROW = """
CREATE TABLE customers(
  number bigint PRIMARY KEY, segment text, vip boolean, basket numeric(10, 2), visits numeric,
  joined timestamptz, born date, likes text[], scores jsonb, card uuid
);
INSERT INTO customers VALUES (
  42, 'gold', true, 12.50, 7, '2017-11-07T13:00:00+01:00', '1970-01-02', ARRAY['tea', 'milk'],
  '{"x": 1.5}', '00000000-0000-0000-0000-000000000001'
)
"""
ONE = "SELECT * FROM customers WHERE number = CAST(:identity AS bigint)"
MANY = "SELECT number AS identity, segment FROM customers WHERE number IN :identities"


@pytest.fixture(scope="module")
def server() -> Iterator[TestServer]:
    with running_server() as server:
        with psycopg.connect(**conninfo(server), autocommit=True) as connection:  # type: ignore[arg-type]
            connection.execute(ROW)
        yield server


def conninfo(server: TestServer) -> Mapping[str, str]:
    found = address_of(server.url("any")).conninfo
    return {name: found[name] for name in ("user", "dbname", "host")}


def url_of(server: TestServer) -> str:
    found = conninfo(server)
    host = quote(found["host"], safe="")
    return f"postgresql+psycopg://{found['user']}@/{found['dbname']}?host={host}"


def test_its_types_become_the_declared_ones(server: TestServer, make_source: Make) -> None:
    source = make_source(ONE, url=url_of(server))
    assert source.fetch(["42"], WANTED, seconds=1.0) == {
        "42": {
            "segment": "gold",
            "vip": True,
            "basket": 12.5,
            "visits": 7,
            "joined": 1_510_056_000.0,
            "born": 86_400.0,
            "likes": ["tea", "milk"],
            "scores": {"x": 1.5},
            "card": "00000000-0000-0000-0000-000000000001",
        }
    }
    many = make_source(MANY, url=url_of(server), identity_type="integer")
    assert many.fetch(["41", "42"], WANTED, seconds=1.0) == {"42": {"segment": "gold"}}


def test_it_cannot_write(server: TestServer, make_source: Make) -> None:
    query = (
        "WITH gone AS (DELETE FROM customers RETURNING number) "
        "SELECT number FROM gone WHERE number = CAST(:identity AS bigint)"
    )
    with pytest.raises(SQLAlchemyError, match="read-only transaction"):
        make_source(query, url=url_of(server)).fetch(["42"], WANTED, seconds=1.0)


def test_the_server_breaks_off_what_takes_too_long(server: TestServer, make_source: Make) -> None:
    query = "SELECT CAST(pg_sleep(60) AS text) AS segment WHERE :identity <> ''"
    source = make_source(query, url=url_of(server), statement_timeout_ms=50.0, connections=1)
    for _ in range(2):  # the connection is there for the next one
        with pytest.raises(SQLAlchemyError, match="statement timeout"):
            source.fetch(["42"], WANTED, seconds=0.01)


def test_a_server_that_was_away_is_asked_again(server: TestServer, make_source: Make) -> None:
    source = make_source(ONE, url=url_of(server), connections=2)
    wanted = {"segment": "string"}
    assert source.fetch(["42"], wanted, seconds=1.0) == {"42": {"segment": "gold"}}
    server.stop("immediate")
    for _ in range(3):
        with pytest.raises(SQLAlchemyError):
            source.fetch(["42"], wanted, seconds=1.0)
    server.start()
    assert source.fetch(["42"], wanted, seconds=1.0) == {"42": {"segment": "gold"}}
