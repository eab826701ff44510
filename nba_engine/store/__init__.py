"""The embedded SQLite store: customers, interactions, ledger; and the decision log."""

from nba_engine.store.archive import Mover, write_file
from nba_engine.store.log import SqliteLog, open_log
from nba_engine.store.log_reader import LogReader, open_log_reader
from nba_engine.store.store import SqliteStore, open_store
from nba_engine.store.wrapped import WrappedStore

__all__ = [
    "LogReader",
    "Mover",
    "SqliteLog",
    "SqliteStore",
    "WrappedStore",
    "open_log",
    "open_log_reader",
    "open_store",
    "write_file",
]
