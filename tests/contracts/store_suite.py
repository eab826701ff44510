"""Moved: the suites are part of the package, so that stores of others pass them too."""

from nba_engine.testing.customers_suite import (
    FOLD,
    NOW,
    CustomersSuite,
    MakeStore,
    happened,
    state_of,
    update,
)

__all__ = ["FOLD", "NOW", "MakeStore", "StoreSuite", "happened", "state_of", "update"]

StoreSuite = CustomersSuite
