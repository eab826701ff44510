"""Stage ``arbitration``: what is worth its money, and in which order it is tried."""

from nba_engine.stages.arbitration.arbitration import ARBITRATION, factor_above
from nba_engine.stages.arbitration.ranking import Ranking, few_best, scores_of, tie_keys

__all__ = [
    "ARBITRATION",
    "Ranking",
    "factor_above",
    "few_best",
    "scores_of",
    "tie_keys",
]
