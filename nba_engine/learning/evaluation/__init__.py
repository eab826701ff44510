"""Off-policy evaluation: what a policy would have earned, by what was logged of another."""

from nba_engine.learning.evaluation.estimators import effective_sample_size
from nba_engine.learning.evaluation.evaluating import Options, evaluate
from nba_engine.learning.evaluation.found import ESTIMATORS, Estimate, Evaluation, Part, Place
from nba_engine.learning.evaluation.logged import LoggedPicks, Reward, logged_picks
from nba_engine.learning.evaluation.picks import Picks, check_picks
from nba_engine.learning.evaluation.plain import read_picks
from nba_engine.learning.evaluation.report import evaluation_report
from nba_engine.learning.evaluation.support import ENOUGH
from nba_engine.learning.evaluation.words import (
    ASSUMPTIONS,
    best_estimate,
    decimals,
    is_logged_policy,
    number,
    part_decimals,
    spoken_interval,
    value_decimals,
    verdict,
)

__all__ = [
    "ASSUMPTIONS",
    "ENOUGH",
    "ESTIMATORS",
    "Estimate",
    "Evaluation",
    "LoggedPicks",
    "Options",
    "Part",
    "Picks",
    "Place",
    "Reward",
    "best_estimate",
    "check_picks",
    "decimals",
    "effective_sample_size",
    "evaluate",
    "evaluation_report",
    "is_logged_policy",
    "logged_picks",
    "number",
    "part_decimals",
    "read_picks",
    "spoken_interval",
    "value_decimals",
    "verdict",
]
