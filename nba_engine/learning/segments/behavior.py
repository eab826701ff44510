"""Behavior of customers as numbers, and as the declared inputs that serving computes the same from."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from nba_engine.domain import Feature
from nba_engine.domain.values import FloatArray
from nba_engine.errors import FailedPrecondition
from nba_engine.models.values import LARGEST, convert_value

__all__ = ["Behavior", "Source", "behavior_of", "rows_of"]

_SKEWED = 1.0  # skewness from which a column that is never negative is taken as a logarithm
_CLIPPED = (0.01, 0.99)  # quantiles: a few odd customers are no group
_KNOWN = 0.2  # least share of customers of whom a number must be known


class Source(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """One behavior before it is scaled: a number of the customer, or a time.

    ``values`` (n,) numbers, NaN where unknown; for a time (``since``) days since then. ``element``:
    the word whose entry of a map it is.
    """

    name: str
    source: str  # customer.<name>
    values: FloatArray
    since: bool = False
    element: str = ""


class Behavior(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """``rows`` (n, f) are the values of ``features``, in float32 as serving computes them.

    ``described``: further columns (n,) that groups are told by but not made from; ``channels``: shares
    or counts per channel, likewise; ``value``: a money column, or None.
    """

    customers: tuple[str, ...]
    features: tuple[Feature, ...]
    rows: NDArray[np.float32]
    described: Mapping[str, FloatArray] = {}
    channels: Mapping[str, FloatArray] = {}
    value: FloatArray | None = None
    value_name: str = ""
    left_out: tuple[str, ...] = ()


def behavior_of(
    customers: Sequence[str],
    sources: Sequence[Source],
    *,
    described: Mapping[str, FloatArray] | None = None,
    channels: Mapping[str, FloatArray] | None = None,
    value: FloatArray | None = None,
    value_name: str = "",
) -> Behavior:
    """Declare a feature for each source: logarithms of skewed numbers, odd ones clipped.

    A column that is constant, or known of less than a fifth of the customers, is left out.
    Raises `FailedPrecondition` when none is left.
    """
    features, columns, left_out = [], [], []
    for source in sources:
        feature = _declared(source)
        if feature is None:
            left_out.append(source.name)
            continue
        features.append(feature)
        columns.append(_column(feature, source))
    if not features:
        raise FailedPrecondition("no column says anything: each is constant or mostly unknown")
    return Behavior(
        customers=tuple(customers),
        features=tuple(features),
        rows=np.ascontiguousarray(np.stack(columns, axis=1), dtype=np.float32),
        described=dict(described or {}),
        channels=dict(channels or {}),
        value=value,
        value_name=value_name,
        left_out=tuple(left_out),
    )


def rows_of(
    features: Sequence[Feature], customers: Sequence[Mapping[str, Any]], now: float
) -> NDArray[np.float32]:
    """Inputs (n, f) of what is known of customers by name, as serving reads them."""
    readers = [
        (feature.source.partition(".")[2], convert_value(feature), feature.default)
        for feature in features
    ]
    rows = np.empty((len(customers), len(features)), dtype=np.float32)
    for at, customer in enumerate(customers):
        for place, (name, convert, default) in enumerate(readers):
            value = customer.get(name)
            rows[at, place] = default if value is None else convert(value, now)
    return rows


def identifier(name: str) -> str:
    """A column's name as rules could write it: ``Ø spend/month`` becomes ``Ø_spend_month``."""
    word = re.sub(r"\W+", "_", name).strip("_") or "column"
    return f"_{word}" if word[0].isdigit() else word


def _declared(source: Source) -> Feature | None:
    known = source.values[np.abs(source.values) <= LARGEST]  # beyond it nothing is known in serving
    if len(known) < max(2, _KNOWN * len(source.values)):
        return None
    spread = float(known.std())
    if spread < 1e-9:
        return None
    transform: Any = "days_since" if source.since else "element" if source.element else "none"
    if transform == "none" and known.min() >= 0.0:
        skew = float(np.mean((known - known.mean()) ** 3)) / spread**3
        transform = "log1p" if skew > _SKEWED else "none"
    shaped = np.log1p(known) if transform == "log1p" else known
    low, high = np.quantile(shaped, _CLIPPED).tolist()
    if high - low < 1e-9:  # nearly everybody has the same
        low, high = float(shaped.min()), float(shaped.max())
    return Feature(
        name=source.name,
        source=source.source,
        transform=transform,
        value=source.element or None,
        default=0.0 if source.element else float(np.clip(np.median(shaped), low, high)),
        minimum=low,
        maximum=high,
    )


def _column(feature: Feature, source: Source) -> FloatArray:
    if not source.since and not source.element:
        convert: Callable[[Any, float], float] = convert_value(feature)
        found = (
            feature.default if np.isnan(one) else convert(one, 0.0)
            for one in source.values.tolist()
        )
        return np.fromiter(found, dtype=np.float64, count=len(source.values))
    clipped = np.clip(source.values, feature.minimum, feature.maximum)
    return np.where(np.isnan(source.values), feature.default, clipped)
