"""Backups of a store and its decision log, their way back, and the way into a store of another kind."""

from nba_engine.store.backup.backup import back_up
from nba_engine.store.backup.copying import Table, TakesCopies, copy_store, is_simulated
from nba_engine.store.backup.manifest import Manifest, read_manifest
from nba_engine.store.backup.restore import Restored, restore

__all__ = [
    "Manifest",
    "Restored",
    "Table",
    "TakesCopies",
    "back_up",
    "copy_store",
    "is_simulated",
    "read_manifest",
    "restore",
]
