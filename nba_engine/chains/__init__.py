"""The best chain of contacts for one customer at given prices: exact, by one kernel for all."""

from nba_engine.chains.best import Chains, best_chains, is_compiled
from nba_engine.chains.contacts import ChainLimit, ChainRules, Contacts
from nba_engine.chains.patterns import (
    MOST_PATTERNS,
    Patterns,
    classes_of,
    patterns_of,
    too_many,
    within,
)

__all__ = [
    "MOST_PATTERNS",
    "ChainLimit",
    "ChainRules",
    "Chains",
    "Contacts",
    "Patterns",
    "best_chains",
    "classes_of",
    "is_compiled",
    "patterns_of",
    "too_many",
    "within",
]
