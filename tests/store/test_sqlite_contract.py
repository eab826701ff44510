"""The embedded store keeps the contract of every store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from nba_engine.store import SqliteStore, open_store
from nba_engine.testing.requests_model import RequestsModel
from nba_engine.testing.requests_suite import RequestsSuite
from tests.contracts.ledger_model import LedgerModel
from tests.contracts.ledger_suite import LedgerSuite
from tests.contracts.store_suite import MakeStore, StoreSuite


@pytest.fixture
def make_store(tmp_path: Path) -> Iterator[MakeStore]:
    opened: list[SqliteStore] = []

    def make(*, simulated: bool = True) -> SqliteStore:
        opened.append(open_store(tmp_path / "nba.db", simulated=simulated))
        return opened[-1]

    yield make
    for store in opened:
        store.close()


class TestSqliteStore(StoreSuite):
    """Customers and interactions."""


class TestSqliteLedger(LedgerSuite):
    """Reservations."""


class TestSqliteRequests(RequestsSuite):
    """Request ids."""


def test_the_ledger_does_what_a_small_model_does(tmp_path: Path) -> None:
    LedgerModel.check(lambda name: open_store(tmp_path / name / "nba.db", simulated=True))


def test_request_ids_do_what_a_small_model_does(tmp_path: Path) -> None:
    RequestsModel.check(lambda name: open_store(tmp_path / name / "nba.db", simulated=True))
