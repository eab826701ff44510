"""What households are worth: how often they will come, what they spend, what may be spent on them."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import numpy as np

from nba_demo.assumptions import (
    BUDGET_CAP,
    BUDGET_FLOOR,
    HORIZON_DAYS,
    MARGIN,
    REQUIRED_MARGIN,
)
from nba_demo.data import CUT_OFF, DAY, Year
from nba_engine.domain import FloatArray
from nba_engine.learning.value import Purchases, ValueFit, fit_value
from nba_engine.learning.value.written import MODEL_FILE, model_toml

__all__ = ["Candidate", "Worth", "fit_worth"]

HELD_OUT_DAYS = 56.0  # the last eight weeks before the cut-off choose the model
_PERCENT = (10, 50, 90)


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """How a model of the purchases to come did on the weeks that were held out."""

    deviance: float  # Poisson deviance per household: less is better
    correlation: float


class Worth(msgspec.Struct, frozen=True, kw_only=True):
    """The models that were tried, the one that serves, and what it says at the cut-off."""

    chosen: str
    candidates: Mapping[str, Candidate]
    slipping: str  # model of who slips away; "": none is better than that nobody does
    households: int
    expected_purchases: float  # days with a purchase in the horizon, of all
    expected_revenue: float  # USD in the horizon, of all
    budget: float  # USD in the horizon, of all
    budgets: Mapping[str, float]  # percentiles over households


def fit_worth(year: Year) -> tuple[Worth, Mapping[str, str], FloatArray]:
    """Fit to the purchases before the cut-off: figures, the file for the catalog, revenue.

    The last is what each household is expected to spend in the horizon, (H,); NaN where it had not
    bought before.
    """
    past = slice(0, int(np.searchsorted(year.basket_time, CUT_OFF)))
    purchases = Purchases(
        year.basket_household[past], year.basket_time[past] / DAY, year.basket_amount[past]
    )
    fit = fit_value(purchases, horizon=HELD_OUT_DAYS)
    text = model_toml(
        fit,
        types=("purchase",),
        amount="amount",
        about=f"{len(fit.buyers.customer)} households up to the cut-off",
    )
    expected = fit.purchases.expected(fit.buyers, float(HORIZON_DAYS))
    spend = fit.spend.expected(fit.buyers) if fit.spend is not None else np.zeros(len(expected))
    revenue = np.full(len(year.households), np.nan)
    revenue[fit.buyers.customer] = expected * spend
    return _told(fit, expected, expected * spend), {MODEL_FILE: text}, revenue


def _told(fit: ValueFit, expected: FloatArray, revenue: FloatArray) -> Worth:
    budget = np.clip(revenue * (MARGIN - REQUIRED_MARGIN), BUDGET_FLOOR, BUDGET_CAP)
    return Worth(
        chosen=fit.choice.best,
        candidates={
            name: Candidate(deviance=one.deviance, correlation=one.correlation)
            for name, one in fit.choice.held_out.items()
        },
        slipping=fit.choice.slipping.model or "",
        households=len(expected),
        expected_purchases=float(expected.sum()),
        expected_revenue=float(revenue.sum()),
        budget=float(budget.sum()),
        budgets={
            f"p{percent}": float(value)
            for percent, value in zip(_PERCENT, np.percentile(budget, _PERCENT), strict=True)
        },
    )
