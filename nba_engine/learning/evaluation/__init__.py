"""Off-policy evaluation: what a policy would have earned, by what was logged of another."""

from nba_engine.learning.evaluation.estimators import effective_sample_size
from nba_engine.learning.evaluation.evaluating import Options, evaluate
from nba_engine.learning.evaluation.found import ESTIMATORS, Estimate, Evaluation, Part, Place
from nba_engine.learning.evaluation.picks import Picks, check_picks
from nba_engine.learning.evaluation.plain import read_picks
from nba_engine.learning.evaluation.support import ENOUGH

__all__ = [
    "ENOUGH",
    "ESTIMATORS",
    "Estimate",
    "Evaluation",
    "Options",
    "Part",
    "Picks",
    "Place",
    "check_picks",
    "effective_sample_size",
    "evaluate",
    "read_picks",
]
