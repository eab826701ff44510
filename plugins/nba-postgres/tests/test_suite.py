"""What every store must do, done by a real server."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck

from nba_engine.plugin import StoreFactory
from nba_engine.testing import StoreSuite
from nba_engine.testing.requests_model import RequestsModel
from nba_engine.testing.state_machine import StoreMachine
from nba_postgres import nba_stores

pytestmark = pytest.mark.xdist_group("postgres")


class TestPostgresStore(StoreSuite):
    """The suite of `nba_engine.testing`, all of it."""

    @pytest.fixture
    def factory(self) -> StoreFactory:
        """The factory of the scheme ``postgresql``."""
        return nba_stores()["postgresql"]

    @pytest.fixture
    def url(self, url: Callable[[str], str]) -> Callable[[str], str]:
        """Each name is a schema in the server of these tests."""
        return url

    def test_whatever_happens_it_holds_what_a_small_model_holds(
        self, factory: StoreFactory, url: Callable[[str], str]
    ) -> None:
        examples = int(os.environ.get("NBA_MACHINE_EXAMPLES", "6"))  # each in a schema of its own
        StoreMachine.check(
            lambda name: factory(url(name), create=True, simulated=False), max_examples=examples
        )

    def test_request_ids_do_what_a_small_model_does(
        self, factory: StoreFactory, url: Callable[[str], str]
    ) -> None:
        RequestsModel.check(
            lambda name: factory(url(name), create=True, simulated=True),
            max_examples=10,
            suppress_health_check=[HealthCheck.too_slow],
        )
