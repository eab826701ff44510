"""The embedded SQLite store: customers, interactions, ledger; and the decision log."""

from nba_engine.store.log import SqliteLog, open_log
from nba_engine.store.store import SqliteStore, open_store
from nba_engine.store.wrapped import WrappedStore

__all__ = ["SqliteLog", "SqliteStore", "WrappedStore", "open_log", "open_store"]
