"""The embedded SQLite store: customers, interactions, ledger; and the decision log."""

from nba_engine.store.backup import (
    Manifest,
    Restored,
    TakesCopies,
    back_up,
    copy_store,
    is_simulated,
    read_manifest,
    restore,
)
from nba_engine.store.checking import CHECKS, check_log, check_store
from nba_engine.store.files import path_of
from nba_engine.store.lock import turn
from nba_engine.store.log import (
    LogReader,
    Mover,
    SqliteLog,
    count_old,
    needs_pyarrow,
    open_log,
    open_log_reader,
    prune_log,
    read_decision_file,
    write_file,
)
from nba_engine.store.store import SqliteStore, open_store
from nba_engine.store.wrapped import WrappedStore

__all__ = [
    "CHECKS",
    "LogReader",
    "Manifest",
    "Mover",
    "Restored",
    "SqliteLog",
    "SqliteStore",
    "TakesCopies",
    "WrappedStore",
    "back_up",
    "check_log",
    "check_store",
    "copy_store",
    "count_old",
    "is_simulated",
    "needs_pyarrow",
    "open_log",
    "open_log_reader",
    "open_store",
    "path_of",
    "prune_log",
    "read_decision_file",
    "read_manifest",
    "restore",
    "turn",
    "write_file",
]
