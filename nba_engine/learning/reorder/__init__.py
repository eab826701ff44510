"""When a bought thing is worth offering again, by customer and category."""

from nba_engine.learning.reorder.cycles import Pace, cycle_of, fit_pace, quantile
from nba_engine.learning.reorder.fitting import CategoryCycle, ReorderFinding, fit_reorder
from nba_engine.learning.reorder.gaps import Gaps, gaps_of

__all__ = [
    "CategoryCycle",
    "Gaps",
    "Pace",
    "ReorderFinding",
    "cycle_of",
    "fit_pace",
    "fit_reorder",
    "gaps_of",
    "quantile",
]
