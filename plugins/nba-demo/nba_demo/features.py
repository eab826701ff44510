"""The features, declared once: the manifest serves them, `assemble` computes them for training.

``days_since_bought`` is the household's recency in the category, ``popularity`` and
``new_buyers`` are attributes of the action, measured at the catalog's cut-off and, for training
rows, at each row's own moment. Hinges, logarithms of rates and the split into "bought lately" or
not are part of the model's graph (`nba_demo.model`), so a customer's row stays small.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from nba_demo.data import DAY
from nba_demo.panel import HALF_LIFE, HORIZON, RECENT, TASTE, VISIT_HALF_LIVES, Moment, Panel
from nba_engine.domain import AggregateSpec, Feature, FloatArray

__all__ = [
    "AGGREGATES",
    "ASSORTMENT",
    "CYCLE",
    "FEATURES",
    "LONG_AGO",
    "Popularity",
    "assemble",
    "measure_popularity",
]

LONG_AGO = 366.0  # days: "never", for recency in a category
KEY = "action.category"

_PURCHASE = ("purchase",)
# how many times as much of a category as others a household takes, and whether it is due again
ASSORTMENT = AggregateSpec(
    name="assortment", kind="share", types=_PURCHASE, by="categories", half_life=TASTE
)
CYCLE = AggregateSpec(name="cycle", kind="reorder", types=_PURCHASE, by="categories")
AGGREGATES: tuple[AggregateSpec, ...] = (
    AggregateSpec(name="bought", kind="count", types=_PURCHASE, by="categories"),
    AggregateSpec(name="bought_last", kind="last", types=_PURCHASE, by="categories"),
    AggregateSpec(
        name="bought_lately",
        kind="decayed",
        types=_PURCHASE,
        by="categories",
        half_life=HALF_LIFE,
    ),
    AggregateSpec(
        name="recent_categories", kind="set", types=_PURCHASE, by="categories", within=RECENT
    ),
    AggregateSpec(name="visits", kind="count", types=_PURCHASE),
    AggregateSpec(
        name="visits_14d", kind="decayed", types=_PURCHASE, half_life=VISIT_HALF_LIVES[0]
    ),
    AggregateSpec(
        name="visits_60d", kind="decayed", types=_PURCHASE, half_life=VISIT_HALF_LIVES[1]
    ),
    AggregateSpec(name="last_visit", kind="last", types=_PURCHASE),
    AggregateSpec(name="first_visit", kind="first", types=_PURCHASE),
    AggregateSpec(name="spent", kind="sum", types=_PURCHASE, property="amount"),
    AggregateSpec(
        name="spent_lately",
        kind="decayed",
        types=_PURCHASE,
        property="amount",
        half_life=HALF_LIFE,
    ),
    AggregateSpec(name="campaigns", kind="count", types=("campaign_contact",)),
    AggregateSpec(name="redemptions", kind="count", types=("redemption",)),
    ASSORTMENT,
    CYCLE,
)

FEATURES: tuple[Feature, ...] = (
    Feature(
        name="days_since_bought",
        source="customer.bought_last",
        key=KEY,
        transform="days_since",
        default=LONG_AGO,
        minimum=0.0,
        maximum=LONG_AGO,
    ),
    Feature(name="bought", source="customer.bought", key=KEY),
    Feature(name="bought_lately", source="customer.bought_lately", key=KEY),
    Feature(
        name="goes_with_recent",
        source="customer.recent_categories",
        key=KEY,
        transform="table",
        table="complements",
    ),
    Feature(name="assortment", source="customer.assortment", key=KEY, default=1.0),
    Feature(name="visits", source="customer.visits"),
    Feature(name="visits_14d", source="customer.visits_14d"),
    Feature(name="visits_60d", source="customer.visits_60d"),
    Feature(
        name="days_since_visit",
        source="customer.last_visit",
        transform="days_since",
        default=RECENT / DAY,
        minimum=0.0,
        maximum=RECENT / DAY,
    ),
    Feature(name="popularity", source="action.popularity"),
    Feature(name="new_buyers", source="action.new_buyers"),
)


class Popularity(msgspec.Struct, frozen=True, kw_only=True):
    """Shares of active households that buy in each category within 14 days, (A,).

    ``of_all``: of all active households; ``new_buyers``: of those that had not bought in it for
    91 days. Averages over the last six fortnights, kept off 0 by half a household.
    """

    of_all: FloatArray
    new_buyers: FloatArray


def measure_popularity(panel: Panel, now: float, *, fortnights: int = 6) -> Popularity:
    """Both shares from the fortnights before ``now``."""
    of_all, new = [], []
    for step in range(1, fortnights + 1):
        start = now - step * HORIZON
        bought = panel.bought(start, start + HORIZON)
        active = panel.active(start - RECENT, start)[:, None]
        fresh = active & ~panel.bought(start - RECENT, start)
        of_all.append(_share(bought & active, np.broadcast_to(active, bought.shape)))
        new.append(_share(bought & fresh, fresh))
    return Popularity(of_all=np.mean(of_all, 0), new_buyers=np.mean(new, 0))


def _share(hits: NDArray[np.bool_], among: NDArray[np.bool_]) -> FloatArray:
    share: FloatArray = (hits.sum(0) + 0.5) / (among.sum(0) + 1.0)
    return share


def assemble(
    moment: Moment,
    popularity: Popularity,
    strengths: FloatArray,
    affinities: FloatArray,
    *,
    features: Sequence[Feature] = FEATURES,
) -> NDArray[np.float32]:
    """All features of all households and offers, (H, A, f), as serving would compute them.

    ``strengths`` (A, A) is the complement table as a matrix: row item, column complement.
    ``affinities`` (H, A): how many times everybody's share a category has with a household.
    """
    raw: Mapping[str, FloatArray] = {
        "customer.bought": moment.count,
        "customer.bought_last": moment.last,
        "customer.bought_lately": moment.lately,
        "customer.recent_categories": moment.recent @ strengths,
        "customer.assortment": affinities,
        "customer.visits": moment.visits[:, None],
        "customer.visits_14d": moment.visits_decayed[0][:, None],
        "customer.visits_60d": moment.visits_decayed[1][:, None],
        "customer.last_visit": moment.last_visit[:, None],
        "action.popularity": popularity.of_all[None],
        "action.new_buyers": popularity.new_buyers[None],
    }
    rows = np.empty((*moment.count.shape, len(features)), np.float32)
    for at, feature in enumerate(features):
        rows[..., at] = _transformed(feature, raw[feature.source], moment.now)
    return rows


def _transformed(feature: Feature, values: FloatArray, now: float) -> FloatArray:
    if feature.transform == "days_since":
        values = (now - values) / DAY
    if feature.minimum is not None:
        values = np.maximum(values, feature.minimum)
    if feature.maximum is not None:
        values = np.minimum(values, feature.maximum)
    return np.where(np.isnan(values), feature.default, values)
