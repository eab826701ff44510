"""Moved: see nba_engine/testing/ledger_model.py."""

from nba_engine.testing.ledger_model import LedgerModel

__all__ = ["LedgerModel"]
