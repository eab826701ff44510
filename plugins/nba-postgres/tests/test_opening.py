"""URLs, schemas, versions; texts that PostgreSQL cannot hold; errors of the driver."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest
from psycopg import errors

from nba_engine.app.plugins import load_plugins
from nba_engine.domain import Hold, ProfileUpdate, ReservationRequest
from nba_engine.errors import Exhausted, FailedPrecondition, InvalidRequest, NbaError, Unavailable
from nba_engine.testing.customers_suite import FOLD, NOW, happened
from nba_postgres.address import address_of
from nba_postgres.connections import open_connection
from nba_postgres.faults import translated
from nba_postgres.migrate import migrations
from nba_postgres.store import open_store

pytestmark = pytest.mark.xdist_group("postgres")


def test_the_plugin_offers_the_scheme() -> None:
    assert load_plugins().register.stores.plugin("postgresql") == "postgres"


def test_an_address_is_libpqs_with_a_schema() -> None:
    url = "postgresql://ann:pw@one,two:6000/nba?schema=shop&sslmode=require&connect_timeout=9"
    address = address_of(url)
    assert address.schema == "shop"
    known = {name: address.conninfo[name] for name in ("host", "dbname", "sslmode", "password")}
    assert known == {"host": "one,two", "dbname": "nba", "sslmode": "require", "password": "pw"}
    assert address.conninfo["connect_timeout"] == "9"
    assert address.show == "PostgreSQL at one,two/nba (shop)"
    assert address_of("postgresql://db/nba").schema == "nba"


@pytest.mark.parametrize(
    "bad", ["?schema=Nba", "?schema=pg_x", '?schema=a"b', "?secret=pw", ":x/?y"]
)
def test_an_address_that_is_none_is_refused_without_repeating_it(bad: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        address_of(f"postgresql://ann:hidden@db{bad}")
    assert refused.value.violations[0].field == "store.url"
    assert "hidden" not in str(refused.value)


def test_migrations_are_numbered_from_one_without_a_gap() -> None:
    assert [number for number, _ in migrations()] == list(range(1, len(migrations()) + 1))


def test_a_store_of_a_newer_release_is_refused_and_left_alone(url: Callable[[str], str]) -> None:
    open_store(url("store")).close()
    latest = migrations()[-1][0]
    with open_connection(address_of(url("store"))) as connection:
        connection.execute("INSERT INTO schema_version(version) VALUES (%s)", (latest + 1,))
        with pytest.raises(FailedPrecondition, match=rf"version {latest + 1} .* install a newer"):
            open_store(url("store"))
        rows = connection.execute("SELECT count(*) FROM schema_version").fetchall()
    assert rows == [(latest + 1,)]


def test_a_simulated_store_is_no_real_one(url: Callable[[str], str]) -> None:
    open_store(url("store"), simulated=True).close()
    with pytest.raises(FailedPrecondition, match="created as a simulated store"):
        open_store(url("store"), simulated=False)


def test_sessions_are_durable_and_end_when_nobody_is_there(url: Callable[[str], str]) -> None:
    with open_connection(address_of(url("store"))) as connection:
        names = (
            "synchronous_commit",
            "transaction_isolation",
            "idle_in_transaction_session_timeout",
        )
        shown = [connection.execute(f"SHOW {name}".encode()).fetchone() for name in names]
    assert shown == [("on",), ("read committed",), ("10s",)]


def test_texts_with_a_nul_name_nobody_and_are_refused(url: Callable[[str], str]) -> None:
    store = open_store(url("store"))
    assert store.customer("crm:\0") is None
    assert store.usage(["a\0"]) == {}
    store.release(["r\0"], now=NOW)
    results = store.record([happened("1\0"), happened(2)], FOLD, now=NOW)
    assert [one.status for one in results] == ["rejected", "recorded"]
    with pytest.raises(InvalidRequest):
        store.update([ProfileUpdate(identity="crm:\0")])
    hold = Hold(account="a\0", limit="a", amount=1, ceiling=1)
    asked = ReservationRequest(
        reservation_id="r", decision_id="d", customer_id="c", holds=(hold,), expires=NOW
    )
    with pytest.raises(InvalidRequest):
        store.reserve([asked], now=NOW)
    assert store.usage_report() == []
    store.close()


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (errors.DiskFull(), Exhausted),
        (errors.AdminShutdown(), Unavailable),
        (errors.QueryCanceled(), Unavailable),
        (errors.TooManyConnections(), Unavailable),
        (errors.ReadOnlySqlTransaction(), Unavailable),
        (errors.DeadlockDetected(), Unavailable),
        (psycopg.OperationalError("server closed the connection unexpectedly"), Unavailable),
        (psycopg.DataError("NUL"), InvalidRequest),
        (errors.UndefinedTable(), NbaError),
    ],
)
def test_driver_errors_become_the_engines_errors(error: Exception, kind: type[NbaError]) -> None:
    found = translated(error, "PostgreSQL at db/nba (nba)")
    assert type(found) is kind
    assert found.__cause__ is error
