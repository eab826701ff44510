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
from nba_engine.engine.prices.seen import SEEN, Seen, SeenBook, Worth
from nba_engine.engine.prices.spending import HOURS, SpendingPlan, hour_of_week, hours_of_week
from nba_engine.engine.prices.table import PriceRow, Steered, price_rows, steered
from nba_engine.engine.prices.traffic import Traffic

__all__ = [
    "BONUS",
    "EVERY",
    "HISTORY",
    "HOURS",
    "MARK",
    "MOST",
    "SEEN",
    "STEP",
    "CellPrice",
    "PacedCell",
    "PriceBook",
    "PriceHistory",
    "PriceMark",
    "PriceRow",
    "Seen",
    "SeenBook",
    "SpendingPlan",
    "Steered",
    "Traffic",
    "Worth",
    "hour_of_week",
    "hours_of_week",
    "next_price",
    "paced_cells",
    "price_rows",
    "steered",
]
