"""The best chain of contacts for one customer at given prices: exact, by one kernel for all."""

from nba_engine.chains.best import Chains, best_chains, is_compiled
from nba_engine.chains.contacts import ChainRules, Contacts
from nba_engine.chains.patterns import MOST_PATTERNS, Patterns, patterns_of

__all__ = [
    "MOST_PATTERNS",
    "ChainRules",
    "Chains",
    "Contacts",
    "Patterns",
    "best_chains",
    "is_compiled",
    "patterns_of",
]
