"""Moved: see nba_engine/testing/ledger_suite.py."""

from nba_engine.testing.ledger_suite import LedgerSuite, granted, hold, request, told

__all__ = ["LedgerSuite", "granted", "hold", "request", "told"]
