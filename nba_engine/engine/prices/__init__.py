"""Prices of shared limits: what one more unit would earn, kept in step with what is spent."""

from nba_engine.engine.prices.book import (
    BONUS,
    EVERY,
    HISTORY,
    MARK,
    CellPrice,
    PriceBook,
    PriceHistory,
    PriceMark,
)
from nba_engine.engine.prices.dual import MOST, STEP, next_price
from nba_engine.engine.prices.paced import PacedCell, paced_cells
from nba_engine.engine.prices.spending import HOURS, SpendingPlan, hour_of_week, hours_of_week
from nba_engine.engine.prices.table import PriceRow, Steered, price_rows, steered

__all__ = [
    "BONUS",
    "EVERY",
    "HISTORY",
    "HOURS",
    "MARK",
    "MOST",
    "STEP",
    "CellPrice",
    "PacedCell",
    "PriceBook",
    "PriceHistory",
    "PriceMark",
    "PriceRow",
    "SpendingPlan",
    "Steered",
    "hour_of_week",
    "hours_of_week",
    "next_price",
    "paced_cells",
    "price_rows",
    "steered",
]
