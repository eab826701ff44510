"""Off-policy evaluation: what a policy would have earned, by what was logged of another."""

from nba_engine.learning.evaluation.estimators import effective_sample_size
from nba_engine.learning.evaluation.evaluating import Options, evaluate
from nba_engine.learning.evaluation.found import ESTIMATORS, Estimate, Evaluation, Part, Place
from nba_engine.learning.evaluation.picks import Picks, check_picks
from nba_engine.learning.evaluation.plain import read_picks
from nba_engine.learning.evaluation.report import evaluation_report
from nba_engine.learning.evaluation.support import ENOUGH
from nba_engine.learning.evaluation.words import (
    ASSUMPTIONS,
    best_estimate,
    number,
    spoken_interval,
    verdict,
)

__all__ = [
    "ASSUMPTIONS",
    "ENOUGH",
    "ESTIMATORS",
    "Estimate",
    "Evaluation",
    "Options",
    "Part",
    "Picks",
    "Place",
    "best_estimate",
    "check_picks",
    "effective_sample_size",
    "evaluate",
    "evaluation_report",
    "number",
    "read_picks",
    "spoken_interval",
    "verdict",
]
