"""Prices learned from logged requests: the batch refresh that online updates start from."""

from nba_engine.learning.prices.learned import Learned, learn_prices
from nba_engine.learning.prices.refresh import Requests, Solved, dual, solve
from nba_engine.learning.prices.sample import Sample, SampleBuilder

__all__ = [
    "Learned",
    "Requests",
    "Sample",
    "SampleBuilder",
    "Solved",
    "dual",
    "learn_prices",
    "solve",
]
