"""What a customer answers to, and prefers: priors for the online counters of affinity aggregates."""

from nba_engine.learning.affinity.contacts import (
    Contacts,
    Events,
    contacts_of,
    events_of,
    known_before,
    read_fields,
)
from nba_engine.learning.affinity.fitting import (
    Finding,
    WordFigures,
    fit_aggregate,
    prior_before,
)
from nba_engine.learning.affinity.rates import (
    fit_rates,
    losses,
    pooled_rates,
    predicted,
    raw_rates,
)
from nba_engine.learning.affinity.score import Scored, ScoreFinding, ScoreRows, cut_of, fit_score
from nba_engine.learning.affinity.shares import (
    Choices,
    choices_of,
    fit_shares,
    likelihoods,
    overall_shares,
)

__all__ = [
    "Choices",
    "Contacts",
    "Events",
    "Finding",
    "ScoreFinding",
    "ScoreRows",
    "Scored",
    "WordFigures",
    "choices_of",
    "contacts_of",
    "cut_of",
    "events_of",
    "fit_aggregate",
    "fit_rates",
    "fit_score",
    "fit_shares",
    "known_before",
    "likelihoods",
    "losses",
    "overall_shares",
    "pooled_rates",
    "predicted",
    "prior_before",
    "raw_rates",
    "read_fields",
]
