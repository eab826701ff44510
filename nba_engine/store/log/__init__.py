"""The decision log: written behind the answers, moved to Parquet, read, pruned and erased from."""

from nba_engine.store.log.archive import (
    Mover,
    archive_of,
    moving_path,
    needs_pyarrow,
    read_decision_file,
    write_file,
)
from nba_engine.store.log.log import SqliteLog, open_log
from nba_engine.store.log.pruning import count_old, prune_log
from nba_engine.store.log.reader import DECISIONS, LogReader, open_log_reader

__all__ = [
    "DECISIONS",
    "LogReader",
    "Mover",
    "SqliteLog",
    "archive_of",
    "count_old",
    "moving_path",
    "needs_pyarrow",
    "open_log",
    "open_log_reader",
    "prune_log",
    "read_decision_file",
    "write_file",
]
