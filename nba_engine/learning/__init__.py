"""Training, calibration, export. Needs ``pip install nba-engine[learn]``; serving never imports it."""

from nba_engine.learning.baselines import GammaPoisson, fit_gamma_poisson, popularity
from nba_engine.learning.calibration import platt, sigmoid
from nba_engine.learning.cross_sell import ease, log_lift, top_complements
from nba_engine.learning.export import (
    Provenance,
    data_hash,
    export_logistic,
    export_wide_logistic,
    publish,
)
from nba_engine.learning.logistic import (
    LogisticModel,
    WideLogisticModel,
    train_logistic,
    train_wide_logistic,
)
from nba_engine.learning.metrics import (
    Reliability,
    auc,
    ece,
    lift,
    log_loss,
    recall_at_k,
    reliability,
)
from nba_engine.learning.trees import BoostedModel, export_lightgbm, train_lightgbm

__all__ = [
    "BoostedModel",
    "GammaPoisson",
    "LogisticModel",
    "Provenance",
    "Reliability",
    "WideLogisticModel",
    "auc",
    "data_hash",
    "ease",
    "ece",
    "export_lightgbm",
    "export_logistic",
    "export_wide_logistic",
    "fit_gamma_poisson",
    "lift",
    "log_lift",
    "log_loss",
    "platt",
    "popularity",
    "publish",
    "recall_at_k",
    "reliability",
    "sigmoid",
    "top_complements",
    "train_lightgbm",
    "train_logistic",
    "train_wide_logistic",
]
