"""Fixtures for tests of plugins: ``pytest_plugins = ["nba_engine.testing.fixtures"]``.

A test module or conftest.py may override each of them; the others then build on yours.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from nba_engine.catalog import Catalog
from nba_engine.domain import CustomerState, Deciding, PlacementRequest
from nba_engine.engine import Engine
from nba_engine.testing.deciding import FakeResources, make_deciding
from nba_engine.testing.engines import make_engine
from nba_engine.testing.fake_store import FakeStore
from nba_engine.testing.memory import FixedClock, MemoryLog
from nba_engine.testing.samples import sample_context, sample_customers
from nba_engine.testing.world import make_catalog

__all__ = [
    "catalog",
    "clock",
    "context",
    "customers",
    "deciding",
    "decision_log",
    "engine",
    "resources",
    "store",
]


@pytest.fixture
def catalog() -> Catalog:
    """The shop; see `nba_engine.testing.make_catalog`."""
    return make_catalog()


@pytest.fixture
def resources(catalog: Catalog) -> FakeResources:
    """What a factory gets."""
    return FakeResources(catalog)


@pytest.fixture
def customers(catalog: Catalog) -> list[CustomerState]:
    """Made-up customers; the first has everything, the last has nothing."""
    return sample_customers(catalog)


@pytest.fixture
def context(catalog: Catalog) -> dict[str, Any]:
    """A context with everything that the catalog declares."""
    return sample_context(catalog, share=1.0)


@pytest.fixture
def deciding(catalog: Catalog) -> Callable[..., Deciding]:
    """`make_deciding` over the catalog: ``deciding("banner", state=customer)``."""

    def make(*placements: str | PlacementRequest, **more: Any) -> Deciding:
        return make_deciding(catalog, *placements, **more)

    return make


@pytest.fixture
def store() -> FakeStore:
    """A store in memory, created as simulated."""
    return FakeStore()


@pytest.fixture
def decision_log() -> MemoryLog:
    """A decision log in memory."""
    return MemoryLog()


@pytest.fixture
def clock() -> FixedClock:
    """A clock that stands still at `nba_engine.testing.NOW`."""
    return FixedClock()


@pytest.fixture
def engine(
    catalog: Catalog, store: FakeStore, decision_log: MemoryLog, clock: FixedClock
) -> Engine:
    """An engine over all of these, with the built-in stages."""
    return make_engine(catalog, store=store, log=decision_log, clock=clock)
