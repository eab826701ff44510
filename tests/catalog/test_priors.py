"""What was fitted of aggregates is given to those that still count the same."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import pytest

from nba_engine.catalog import Vocabulary, load
from nba_engine.domain.fitted import Fitted, FittedTable, SharePrior, TreatmentScore

SHARE = """
[aggregates.assortment]
kind = "share"
types = ["purchase"]
by = "category"
half_life = "10d"
"""
FITTED = Fitted(
    by="category",
    half_life=864_000.0,
    types=("purchase",),
    prior=SharePrior(means={"": {"milk": 0.5}}, weight=3.0),
)


def vocabulary(fitted: Fitted) -> Vocabulary:
    score = TreatmentScore(bias=0.0, slope=1.0, exponents={})
    return Vocabulary(fitted=FittedTable(aggregates={"assortment": fitted}, score=score))


def test_an_aggregate_gets_what_was_fitted_and_the_catalog_the_score(
    shop: Mapping[str, str],
) -> None:
    catalog = load({**shop, "share.toml": SHARE}, vocabulary(FITTED))
    assert catalog.aggregates["assortment"].prior == FITTED.prior
    assert catalog.treatment_score is not None
    assert not catalog.warnings


@pytest.mark.parametrize(
    ("changed", "said"),
    [({"half_life": 9.0}, "half_life"), ({"by": "brand", "types": ("view",)}, "by, types")],
)
def test_what_was_fitted_of_another_count_says_nothing_and_a_warning_tells(
    shop: Mapping[str, str], changed: dict[str, object], said: str
) -> None:
    old = msgspec.structs.replace(FITTED, **changed)
    catalog = load({**shop, "share.toml": SHARE}, vocabulary(old))
    assert catalog.aggregates["assortment"].prior is None
    (warning,) = catalog.warnings
    assert warning.message == f"{said} changed since it was fitted, so it says nothing"
    assert warning.remedy == "fit it again: nba affinity fit"
