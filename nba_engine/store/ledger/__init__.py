"""The ledger of the embedded store: accounts, grants, expiry, windows that roll and windows that are over."""

from nba_engine.store.ledger.ledger import Ledger, Moved, check_requests
from nba_engine.store.ledger.past import StoredPast
from nba_engine.store.ledger.usage import StoredAccounts, read_report, recounted

__all__ = [
    "Ledger",
    "Moved",
    "StoredAccounts",
    "StoredPast",
    "check_requests",
    "read_report",
    "recounted",
]
