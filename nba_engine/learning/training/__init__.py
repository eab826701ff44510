"""Propensity models: from decisions, history or tables to a model folder, with its proof."""

from nba_engine.learning.training.examples import Examples, Split, split_by_time
from nba_engine.learning.training.history import examples_of_history
from nba_engine.learning.training.logged import examples_of_decisions, label_words
from nba_engine.learning.training.plain_table import examples_of_table
from nba_engine.learning.training.reporting import refit_words, report_of
from nba_engine.learning.training.run import Options, Trained, export, train

__all__ = [
    "Examples",
    "Options",
    "Split",
    "Trained",
    "examples_of_decisions",
    "examples_of_history",
    "examples_of_table",
    "export",
    "label_words",
    "refit_words",
    "report_of",
    "split_by_time",
    "train",
]
