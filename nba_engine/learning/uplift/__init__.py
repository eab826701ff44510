"""Uplift: what showing an action changes, learned from randomized logs."""

from nba_engine.learning.uplift.fitting import (
    Uplift,
    fit_uplift,
    qini_coefficient,
    qini_curve,
)
from nba_engine.learning.uplift.learner import Effect, Trial
from nba_engine.learning.uplift.model import export_uplift
from nba_engine.learning.uplift.sources import Trials, read_trials

__all__ = [
    "Effect",
    "Trial",
    "Trials",
    "Uplift",
    "export_uplift",
    "fit_uplift",
    "qini_coefficient",
    "qini_curve",
    "read_trials",
]
