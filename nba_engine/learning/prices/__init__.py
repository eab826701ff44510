"""Prices learned from logged requests: the batch refresh that online updates start from."""

from nba_engine.learning.prices.refresh import Requests, Solved, dual, solve, use_at

__all__ = [
    "Requests",
    "Solved",
    "dual",
    "solve",
    "use_at",
]
