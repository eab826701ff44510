"""The treatment score: propensity times affinities, as it was calibrated."""

from __future__ import annotations

import numpy as np
import pytest

from nba_engine.catalog import Vocabulary, load
from nba_engine.domain import CatalogView, CustomerState, CustomerView, Deciding, Feature
from nba_engine.domain.fitted import (
    AffinityPrior,
    Fitted,
    FittedTable,
    SharePrior,
    TreatmentScore,
)
from nba_engine.models.assembly import Assembly
from nba_engine.stages.treatment_score import TREATMENT_SCORE, TreatmentScoreSettings
from tests.stages.making import NOW, SHOP, Materials, column, deciding

MORE = """
[aggregates.tag_affinity]
kind = "affinity"
types = ["impression"]
positive = ["accept"]
by = "tags"
half_life = "10d"
[aggregates.assortment]
kind = "share"
types = ["purchase"]
by = "category"
half_life = "10d"
[actions.milk]
prior = 0.5
value = 1.0
attributes = { category = "MILK" }
treatments.app = { channel = "app", tags = ["warm", "voucher"] }
[actions.bread]
prior = 0.2
value = 1.0
attributes = { category = "BREAD" }
treatments.app = { channel = "app" }
"""
TAGS = Fitted(
    by="tags",
    half_life=864_000.0,
    types=("impression",),
    positive=("accept",),
    prior=AffinityPrior(
        means={"": {"warm": 0.1, "voucher": 0.2}}, weights={"warm": 1.0, "voucher": 1.0}
    ),
)
SHARES = Fitted(
    by="category",
    half_life=864_000.0,
    types=("purchase",),
    prior=SharePrior(means={"": {"MILK": 0.5, "BREAD": 0.5}}, weight=1.0),
)
# three warm contacts, two answered: (0.1 + 2) / (1 + 3) is 5.25 times the usual; milk: (1 + 1 / 0.5) / 2
STATE = CustomerState(
    customer_id="c",
    aggregates={
        "tag_affinity": {"warm": [NOW, 3.0, 2.0]},
        "assortment": {"MILK": [NOW, 1.0]},
    },
)


def shop(score: TreatmentScore | None, more: str = MORE) -> CatalogView:
    fitted = FittedTable(aggregates={"tag_affinity": TAGS, "assortment": SHARES}, score=score)
    return load({"shop.toml": SHOP, "more.toml": more}, Vocabulary(fitted=fitted))


def score(bias: float = 0.0, slope: float = 1.0, **exponents: float) -> TreatmentScore:
    return TreatmentScore(bias=bias, slope=slope, exponents=exponents)


def applied(
    score: TreatmentScore | None,
    *,
    state: CustomerState = STATE,
    as_propensity: bool = False,
    tell: bool = False,
    more: str = MORE,
) -> Deciding:
    catalog = shop(score, more)
    settings = TreatmentScoreSettings(as_propensity=as_propensity, tell=tell)
    made = deciding(catalog, state=state)
    TREATMENT_SCORE.build(settings, Materials(catalog)).apply(made)
    return made


def odds(p: float) -> float:
    return p / (1.0 - p)


def test_a_score_is_propensity_times_affinities_in_odds() -> None:
    made = applied(score(tag_affinity=1.0, assortment=0.5))
    scores = column(made, "treatment_score")
    assert odds(scores["milk.app"]) == pytest.approx(1.0 * 5.25 * 1.5**0.5)
    assert odds(scores["bread.app"]) == pytest.approx(0.25 * 0.5**0.5)
    assert scores["nothing.app"] == made.catalog.prior[made.catalog.treatment_index["nothing.app"]]
    assert "propensity" not in made.candidates


def test_bias_and_slope_calibrate_the_propensity() -> None:
    made = applied(score(bias=-1.0, slope=0.5), state=CustomerState(customer_id="c"))
    scores = column(made, "treatment_score")
    assert odds(scores["bread.app"]) == pytest.approx(2.718281828**-1.0 * 0.25**0.5)


def test_the_strongest_affinity_is_a_reason_and_weak_ones_are_none() -> None:
    made = applied(score(tag_affinity=1.0, assortment=1.0))
    treatments = made.catalog.treatment_index
    at = {index: position for position, index in enumerate(made.candidates.index.tolist())}
    told = {
        name: made.candidates.reasons(at[treatments[name]]) for name in ("milk.app", "bread.app")
    }
    assert told == {"milk.app": ("answers:tag_affinity:warm:5.2",), "bread.app": ()}


def test_a_sensitive_affinity_counts_and_is_not_told() -> None:
    hidden = MORE.replace('by = "tags"', 'by = "tags"\nsensitive = true')
    made = applied(score(tag_affinity=1.0, assortment=1.0), more=hidden)
    at = made.candidates.index.tolist().index(made.catalog.treatment_index["milk.app"])
    assert odds(column(made, "treatment_score")["milk.app"]) == pytest.approx(5.25 * 1.5)
    assert made.candidates.reasons(at) == ("answers:assortment:MILK:1.5",)


def test_it_may_replace_the_propensity() -> None:
    made = applied(score(tag_affinity=1.0), as_propensity=True)
    assert column(made, "propensity") == column(made, "treatment_score")


def test_without_a_calibration_it_does_nothing() -> None:
    made = applied(None, as_propensity=True)
    assert "treatment_score" not in made.candidates
    assert "propensity" not in made.candidates


def test_aggregates_that_are_gone_or_not_fitted_count_nothing() -> None:
    made = applied(score(gone=3.0))
    assert odds(column(made, "treatment_score")["milk.app"]) == pytest.approx(1.0)


def test_models_read_affinities_as_features_of_what_they_score() -> None:
    catalog = shop(None)
    features = (
        Feature(
            name="likes_it",
            source="customer.assortment",
            key="action.category",
            transform="log1p",
            default=-1.0,
        ),
    )
    view = CustomerView(STATE, catalog.aggregates, NOW)
    index = np.array([catalog.treatment_index[one] for one in ("milk.app", "bread.app")])
    rows = np.empty((2, 1), dtype=np.float32)
    assembled = Assembly(features, catalog, {}).rows(index, view, {}, NOW, rows)
    assert assembled[:, 0] == pytest.approx(np.log1p([1.5, 0.5]))


def test_what_the_model_has_as_features_is_told_without_a_score() -> None:
    made = applied(None, tell=True)
    at = made.candidates.index.tolist().index(made.catalog.treatment_index["milk.app"])
    assert made.candidates.reasons(at) == ("answers:tag_affinity:warm:5.2",)
    assert "treatment_score" not in made.candidates
    silent = applied(None).candidates
    assert [silent.reasons(place) for place in range(len(silent))] == [()] * len(silent)
