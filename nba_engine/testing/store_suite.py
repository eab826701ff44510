"""What every store must do: customers, interactions, the ledger, request ids, catalogs; models."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nba_engine.domain import Store
from nba_engine.plugin import StoreFactory
from nba_engine.testing.arrivals_suite import ArrivalsSuite
from nba_engine.testing.catalogs_suite import CatalogsSuite
from nba_engine.testing.customers_suite import CustomersSuite, MakeStore
from nba_engine.testing.erasing_suite import ErasingSuite
from nba_engine.testing.forgetting_suite import ForgettingSuite
from nba_engine.testing.histories_suite import HistoriesSuite
from nba_engine.testing.identities_suite import IdentitiesSuite
from nba_engine.testing.ledger_suite import LedgerSuite
from nba_engine.testing.merged_limits_suite import MergedLimitsSuite
from nba_engine.testing.past_suite import PastSuite
from nba_engine.testing.progress_suite import ProgressSuite
from nba_engine.testing.requests_model import RequestsModel
from nba_engine.testing.requests_suite import RequestsSuite
from nba_engine.testing.rolling_suite import RollingSuite
from nba_engine.testing.state_machine import StoreMachine

__all__ = ["StoreSuite"]


class StoreSuite(
    CustomersSuite,
    IdentitiesSuite,
    HistoriesSuite,
    ArrivalsSuite,
    ForgettingSuite,
    ProgressSuite,
    MergedLimitsSuite,
    LedgerSuite,
    RollingSuite,
    RequestsSuite,
    CatalogsSuite,
    PastSuite,
    ErasingSuite,
):
    """Inherit, and give the fixtures ``factory`` and ``url``."""

    @pytest.fixture
    def factory(self) -> StoreFactory:
        """The factory that your plugin offers."""
        raise NotImplementedError("give a fixture `factory`: the StoreFactory you offer")

    @pytest.fixture
    def url(self, tmp_path: Path) -> Callable[[str], str]:
        """Name → URL of a store of this test. The same name is opened again after a restart."""
        raise NotImplementedError('give a fixture `url`: lambda name: f"scheme:{tmp_path}/{name}"')

    @pytest.fixture
    def make_store(self, factory: StoreFactory, url: Callable[[str], str]) -> Iterator[MakeStore]:
        """Opens the store of this test, again over the same data after the last was closed."""
        opened: list[Store] = []

        def make(*, simulated: bool = True) -> Store:
            opened.append(factory(url("store"), create=True, simulated=simulated))
            return opened[-1]

        yield make
        for store in opened:
            store.close()

    def test_whatever_happens_it_holds_what_a_small_model_holds(
        self, factory: StoreFactory, url: Callable[[str], str]
    ) -> None:
        StoreMachine.check(lambda name: factory(url(name), create=True, simulated=False))

    def test_request_ids_do_what_a_small_model_does(
        self, factory: StoreFactory, url: Callable[[str], str]
    ) -> None:
        RequestsModel.check(lambda name: factory(url(name), create=True, simulated=True))

    def test_opening_without_creating_needs_a_store_that_is_there(
        self, factory: StoreFactory, url: Callable[[str], str]
    ) -> None:
        factory(url("there"), create=True, simulated=True).close()
        factory(url("there"), create=False, simulated=None).close()
        with pytest.raises(Exception, match=r".") as refused:
            factory(url("not-there"), create=False, simulated=None)
        assert type(refused.value).__module__ == "nba_engine.errors", "a driver's error got out"
