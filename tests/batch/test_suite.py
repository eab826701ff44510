"""The built-in batch engine keeps the contract of all, with processes and with threads."""

from __future__ import annotations

from typing import Any

import pytest

from nba_engine.batch import LOCAL
from nba_engine.domain import BatchEngineFactory
from nba_engine.testing import BatchEngineSuite

pytestmark = pytest.mark.xdist_group("batch")  # the tests of a class share a batch


class TestProcesses(BatchEngineSuite):
    @pytest.fixture
    def factory(self) -> BatchEngineFactory:
        return LOCAL

    @pytest.fixture
    def settings(self) -> dict[str, Any]:
        return {"workers": 2, "workers_are": "processes"}


class TestThreads(BatchEngineSuite):
    @pytest.fixture
    def factory(self) -> BatchEngineFactory:
        return LOCAL

    @pytest.fixture
    def settings(self) -> dict[str, Any]:
        return {"workers": 2, "workers_are": "threads"}
