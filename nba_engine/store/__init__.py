"""The embedded SQLite store: customers, interactions, ledger; and the decision log."""

from nba_engine.store.log import SqliteLog, open_log
from nba_engine.store.store import SqliteStore, open_store

__all__ = ["SqliteLog", "SqliteStore", "open_log", "open_store"]
