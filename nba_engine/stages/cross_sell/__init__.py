"""Stage ``cross_sell``: not what was just bought, rather what goes with it."""

from nba_engine.stages.cross_sell.cross_sell import CROSS_SELL

__all__ = [
    "CROSS_SELL",
]
