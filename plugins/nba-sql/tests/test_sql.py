"""The source on a real SQLite file."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import SQLAlchemyError

from nba_engine.domain import ProfileSourceFactory, Values
from nba_engine.errors import MistakesFound
from nba_engine.testing import ProfileSourceSuite
from nba_sql import FACTORY, SqlSettings, nba_conformance
from nba_sql.source import SqlSource
from nba_sql.values import as_declared

Make = Callable[..., SqlSource]

WANTED = {"segment": "string", "vip": "bool", "basket": "double"}
ADA = {"segment": "gold", "vip": True, "basket": 12.5}
MANY = "SELECT number AS identity, segment FROM customers WHERE number IN :identities"
SLOW = """
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1e12)
SELECT max(i) AS basket FROM n WHERE i <> :identity
"""


class TestOneByOne(ProfileSourceSuite):
    @pytest.fixture
    def factory(self) -> ProfileSourceFactory:
        return FACTORY

    @pytest.fixture
    def settings(self, tmp_path: Path) -> dict[str, Any]:
        given = nba_conformance(tmp_path)["profile-source sql"]["settings"]
        query = given["query"].replace("IN :identities", "= :identity")
        return {**given, "query": query}

    @pytest.fixture
    def wanted(self) -> Mapping[str, str]:
        return WANTED

    @pytest.fixture
    def known(self, tmp_path: Path) -> Mapping[str, Values]:
        known: Mapping[str, Values] = nba_conformance(tmp_path)["profile-source sql"]["known"]
        return known


class TestManyAtOnce(TestOneByOne):
    @pytest.fixture
    def settings(self, tmp_path: Path) -> dict[str, Any]:
        settings: dict[str, Any] = nba_conformance(tmp_path)["profile-source sql"]["settings"]
        return settings


def test_columns_become_attributes_of_the_declared_types(make_source: Make) -> None:
    wanted = {
        **WANTED,
        "joined": "timestamp",
        "likes": "list<string>",
        "visits": "int",
    }
    found = make_source().fetch(["1"], wanted, seconds=1.0)
    assert found == {"1": {**ADA, "joined": 1_510_056_000.0, "likes": ["tea", "milk"], "visits": 5}}
    assert type(found["1"]["visits"]) is int
    (two,) = make_source().fetch(["2"], wanted, seconds=1.0).values()
    # NULL is missing, and what does not fit stays as it is: the engine refuses it by its type
    assert two == {
        "vip": False,
        "basket": 3.0,
        "joined": 1_510_012_800.0,
        "likes": [],
        "visits": 5.5,
    }
    (odd,) = make_source().fetch(["007"], wanted, seconds=1.0).values()
    assert odd == {"segment": "new", "vip": 2, "joined": "soon", "likes": "no json"}


@pytest.mark.parametrize(
    ("value", "kind", "converted"),
    [
        (5, "double", 5.0),
        (True, "double", True),
        (True, "int", True),
        (2.5, "int", 2.5),
        (float("inf"), "int", float("inf")),
        (7, "string", "7"),
        (True, "string", True),
        (b"\xff", "list<string>", b"\xff"),
        ('{"a": 1}', "map<string,int>", {"a": 1}),
        (1_510_012_800, "timestamp", 1_510_012_800.0),
        ("2017-11-07T00:00:00+01:00", "timestamp", 1_510_009_200.0),
    ],
)
def test_nothing_is_rounded_or_guessed(value: object, kind: str, converted: object) -> None:
    found = as_declared(value, kind)
    assert (found, type(found)) == (converted, type(converted))


def test_an_attribute_may_come_from_a_column_of_another_name(make_source: Make) -> None:
    found = make_source(columns={"loyalty": "segment"}).fetch(
        ["1"], {"loyalty": "string"}, seconds=1.0
    )
    assert found == {"1": {"loyalty": "gold"}}


def test_a_column_that_the_query_does_not_give_is_told_once(
    make_source: Make, caplog: pytest.LogCaptureFixture
) -> None:
    source = make_source("SELECT segment FROM customers WHERE number = :identity")
    for _ in range(3):
        assert source.fetch(["1"], WANTED, seconds=1.0) == {"1": {"segment": "gold"}}
    assert caplog.text.count("the query gives no column 'vip'; it gives 'segment'") == 1


def test_identities_bound_as_numbers_find_whole_numbers_and_nobody_else(
    make_source: Make, tmp_path: Path
) -> None:
    with closing(sqlite3.connect(tmp_path / "crm.db")) as connection:
        connection.execute("CREATE TABLE accounts(id INTEGER PRIMARY KEY, segment)")
        connection.executemany("INSERT INTO accounts VALUES (?, ?)", [(7, "gold"), (8, "new")])
        connection.commit()
    query = "SELECT id AS identity, segment FROM accounts WHERE id IN :identities"
    source = make_source(query, identity_type="integer")
    ids = ["7", "007", "8", "9", "seven", "²", "-7", "7" * 40]
    found = source.fetch(ids, {"segment": "string"}, seconds=1.0)
    assert {key: each["segment"] for key, each in found.items()} == {
        "7": "gold",
        "007": "gold",
        "8": "new",
    }
    assert source.fetch(["seven"], {"segment": "string"}, seconds=1.0) == {}
    one = make_source("SELECT segment FROM accounts WHERE id = :identity", identity_type="integer")
    assert one.fetch(["8"], {"segment": "string"}, seconds=1.0) == {"8": {"segment": "new"}}


def test_it_cannot_write(make_source: Make, tmp_path: Path) -> None:
    writes = (
        "WITH x AS (SELECT 1) INSERT INTO customers(number) SELECT :identity FROM x",
        "WITH x AS (SELECT 1) DELETE FROM customers WHERE number = :identity",
    )
    for query in writes:
        with pytest.raises(SQLAlchemyError):
            make_source(query).fetch(["1"], WANTED, seconds=1.0)
    (tmp_path / "other.db").touch()
    with pytest.raises(SQLAlchemyError):
        make_source(writes[0], url="sqlite:///other.db").fetch(["1"], WANTED, seconds=1.0)
    with closing(sqlite3.connect(tmp_path / "crm.db")) as connection:
        assert connection.execute("SELECT count(*) FROM customers").fetchone() == (3,)


def test_a_file_that_is_not_there_is_not_made_and_found_when_it_comes(
    make_source: Make, tmp_path: Path
) -> None:
    source = make_source(url="sqlite:///late.db")
    with pytest.raises(SQLAlchemyError):
        source.fetch(["1"], WANTED, seconds=1.0)
    assert not (tmp_path / "late.db").exists()
    (tmp_path / "crm.db").rename(tmp_path / "late.db")
    assert source.fetch(["1"], WANTED, seconds=1.0) == {"1": ADA}


def test_a_query_that_takes_too_long_is_broken_off_and_the_next_one_is_answered(
    make_source: Make,
) -> None:
    source = make_source(SLOW, statement_timeout_ms=50.0, connections=1)
    start = time.monotonic()
    for _ in range(2):
        with pytest.raises(SQLAlchemyError):
            source.fetch(["1"], WANTED, seconds=0.01)
    assert time.monotonic() - start < 20.0
    quick = make_source(connections=1, statement_timeout_ms=50.0)
    for _ in range(2):
        assert quick.fetch(["1"], WANTED, seconds=1.0) == {"1": ADA}


def test_more_calls_than_connections_take_turns(make_source: Make) -> None:
    source = make_source(connections=2)
    with ThreadPoolExecutor(8) as pool:
        found = pool.map(lambda _: source.fetch(["1"], WANTED, seconds=1.0), range(200))
    assert all(each == {"1": ADA} for each in found)


def test_statements_for_new_connections_are_executed(make_source: Make) -> None:
    with pytest.raises(SQLAlchemyError):
        make_source(on_connect=["SELECT no_such_column FROM customers"]).fetch(
            ["1"], WANTED, seconds=1.0
        )
    source = make_source(
        "SELECT * FROM temp.mine WHERE number = :identity",
        on_connect=[
            "PRAGMA query_only = OFF",
            "CREATE TEMP VIEW mine AS SELECT * FROM main.customers WHERE vip = 1",
        ],
    )
    assert source.fetch(["1"], WANTED, seconds=1.0) == {"1": ADA}
    assert source.fetch(["2"], WANTED, seconds=1.0) == {}


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ("UPDATE customers SET vip = 1 WHERE number = :identity", "must be a SELECT"),
        ("/* SELECT */ DELETE FROM customers", "must be a SELECT"),
        ("SELECT * FROM customers", "must have the parameter :identity"),
        ("SELECT * FROM customers WHERE a = :identity AND b = :day", "and no other"),
        ("SELECT * FROM c WHERE a = :identity OR a IN :identities", "and no other"),
    ],
)
def test_a_query_that_does_not_read_of_a_customer_is_refused(query: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        SqlSettings(url="sqlite:///crm.db", query=query)


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("me:secret@nowhere", "is no URL of a database"),
        ("sqlite://", "names no file"),
        ("sqlite:///:memory:", "names no file"),
        ("sekret+thing://a/b", "SQLAlchemy knows no database"),
        ("mssql+pymssql://me:secret@nowhere/b", "its driver is not installed: pymssql"),
    ],
)
def test_a_url_that_leads_nowhere_is_a_mistake_that_tells_no_secret(
    make_source: Make, url: str, problem: str
) -> None:
    with pytest.raises(MistakesFound, match=problem) as found:
        make_source(url=url)
    assert found.value.mistakes[0].place == "url"
    assert "secret" not in str(found.value)


def test_it_keeps_no_thread_and_no_connection_after_its_end(make_source: Make) -> None:
    source = make_source(statement_timeout_ms=60_000.0)
    source.fetch(["1"], WANTED, seconds=1.0)
    source.close()
    assert source._engine.pool.checkedin() == 0  # type: ignore[attr-defined]
    for timer in [t for t in threading.enumerate() if isinstance(t, threading.Timer)]:
        timer.join(10)
        assert not timer.is_alive()
