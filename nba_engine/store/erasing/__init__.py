"""Erasing customers: from the tables, from the freed pages, and again in what a backup brings back."""

from nba_engine.store.erasing.erasing import check_erasure, erase_again, read_erased
from nba_engine.store.erasing.scrubbing import scrub
from nba_engine.store.erasing.stored import StoredErasures, read_list

__all__ = [
    "StoredErasures",
    "check_erasure",
    "erase_again",
    "read_erased",
    "read_list",
    "scrub",
]
