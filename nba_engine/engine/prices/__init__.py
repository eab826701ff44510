"""Prices of shared limits: what one more unit would earn, kept in step with what is spent."""

from nba_engine.engine.prices.dual import MOST, STEP, next_price
from nba_engine.engine.prices.spending import HOURS, SpendingPlan, hour_of_week, hours_of_week

__all__ = [
    "HOURS",
    "MOST",
    "STEP",
    "SpendingPlan",
    "hour_of_week",
    "hours_of_week",
    "next_price",
]
