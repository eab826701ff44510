"""The fault suite on PostgreSQL in a small form, and what its judge sees there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from faults import oracle
from faults.journal import Journal
from faults.postgres import PostgresDatabase, watch_schema
from nba_engine.domain import Hold, ProfileUpdate, ReservationRequest
from nba_postgres.address import address_of
from nba_postgres.store import PostgresStore, open_store

NOW = 1_700_000_000.0


@pytest.mark.timeout(240)  # half a minute, a third of it waiting; much more on a busy machine
def test_nothing_is_lost_exceeded_or_doubled_while_processes_and_database_are_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("COVERAGE_")]:
        monkeypatch.delenv(name)  # what the servers run is covered elsewhere
    run = Path(oracle.__file__).with_name("run.py")
    sizes = {"reservations": 400, "kills": 0, "faults": 3, "away": 3, "processes": 2, "clients": 16}
    options = [f"--{name}={value}" for name, value in sizes.items()]
    done = subprocess.run(
        [sys.executable, run, "--store=postgres", *options, "--folder", tmp_path],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    last = done.stdout.splitlines()[-1]
    assert re.fullmatch(r"faults: lost 0, exceeded 0, double 0, kills 1, seed \d+", last), (
        done.stdout
    )
    assert done.returncode == 0, done.stdout


@pytest.fixture
def watched(url: Callable[[str], str]) -> Iterator[tuple[PostgresStore, str]]:
    """A store that writes its history down, and its URL."""
    where = url("watched")
    store = open_store(where)
    store.update([ProfileUpdate(identity="crm:1")])
    watch_schema(where)
    yield store, where
    store.close()


def reserve(store: PostgresStore, *names: str) -> None:
    found = store.customer("crm:1")
    assert found is not None
    hold = Hold(account="hot", limit="hot", amount=1, ceiling=1_000)
    asked = [
        ReservationRequest(
            reservation_id=name,
            decision_id=name,
            customer_id=found[0].customer_id,
            holds=(hold,),
            expires=NOW + 5.0,
        )
        for name in names
    ]
    assert all(answer.granted for answer in store.reserve(asked, now=NOW))


@pytest.mark.xdist_group("postgres")
def test_the_judge_sees_what_was_granted_and_ended_and_what_was_tampered_with(
    watched: tuple[PostgresStore, str], tmp_path: Path
) -> None:
    store, where = watched
    journal = Journal(tmp_path / "journal")
    judge = oracle.Oracle(PostgresDatabase(where), {"v1": {"hot": 2}})
    reserve(store, "a", "b")
    store.release(["a"], now=NOW)
    reserve(store, "c")
    for name in ("a", "b", "c"):
        journal.attempt("crm:1")
        journal.grant("crm:1", name, "v1")
    judge.check(journal)
    found = judge.lost, judge.exceeded, judge.double, judge.wrong
    assert found == (set(), set(), set(), [])
    reserve(store, "d")  # the third, of two
    journal.attempt("crm:1")
    journal.grant("crm:1", "d", "v1")
    with psycopg.connect(**address_of(where).conninfo, autocommit=True) as connection:  # type: ignore[arg-type]
        connection.execute(f"SET search_path = {address_of(where).schema}".encode())
        connection.execute("DELETE FROM reservations WHERE reservation_id = 'c'")
        connection.execute("UPDATE accounts SET spent = 7")
    store.release(["b"], now=NOW)
    judge.finish(journal)
    journal.close()
    assert {one.partition(" ")[0] for one in judge.exceeded} == {"d"}
    assert judge.lost == {"reservation c"}
    assert any("(2, 7), counted (2, 0)" in what for what in judge.wrong)
    assert judge.double == {"c never ended", "d never ended"}


@pytest.mark.xdist_group("postgres")
def test_what_was_written_earlier_and_committed_later_is_seen_once(
    watched: tuple[PostgresStore, str],
) -> None:
    store, where = watched
    database = PostgresDatabase(where)

    def news() -> list[list[str]]:
        with database.moment() as moment:
            return [[one.reservation for one in together] for together in moment.news()]

    late = psycopg.connect(**address_of(where).conninfo)  # type: ignore[arg-type]
    late.execute(f"SET search_path = {address_of(where).schema}".encode())
    late.execute("INSERT INTO reservations VALUES ('late', 'd', 'c', 0, 1, NULL, '{}')")
    reserve(store, "a", "b")
    assert news() == [["a", "b"]]
    late.commit()
    late.close()
    assert news() == [["late"]]
    assert news() == []
