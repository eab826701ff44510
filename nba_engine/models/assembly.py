"""From customer, context and catalog to model inputs, vectorized over the candidates.

What depends on the treatment alone is computed once per catalog, what depends on the request
alone once per call. A *cross* feature looks the action's key up in a map of the customer: its
values are computed per distinct key (an axis), not per treatment, and then gathered.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from nba_engine.catalog import values_of
from nba_engine.domain.catalog import CatalogView
from nba_engine.domain.features import Feature
from nba_engine.domain.tables import ComplementTable
from nba_engine.domain.values import FloatArray, IntArray, Values
from nba_engine.models.axis import Axis
from nba_engine.models.binding import half_of
from nba_engine.models.values import ConvertValue, convert_value

__all__ = ["Assembly"]


class Assembly:
    """The features of one model over one catalog; their sources are checked to exist.

    ``request`` and ``treatment`` hold the positions of those features in a row, ``axes`` the
    cross features. Thread-safe: buffers belong to the caller.
    """

    def __init__(
        self,
        features: Sequence[Feature],
        catalog: CatalogView,
        tables: Mapping[str, ComplementTable],
    ) -> None:
        self.names = tuple(feature.name for feature in features)
        halves = [half_of(feature) for feature in features]
        self.request = _positions(halves, "request")
        self.treatment = _positions(halves, "treatment")
        self._readers = _Readers([features[position] for position in self.request], catalog)
        self.axes = _axes(features, catalog, tables)
        self.static = np.zeros((len(catalog.treatments), len(features)))  # (T, f)
        for position in self.treatment:
            self.static[:, position] = _column(features[position], catalog)
        self._rows = self.static.astype(np.float32)

    def same_rows(self) -> tuple[IntArray, IntArray]:
        """Groups of treatments whose rows are equal for every customer.

        The first treatment of each group (g,), and the group of each treatment (T,).
        """
        places = [axis.of[:, np.newaxis] for axis in self.axes]
        differing = np.concatenate([self._rows[:, self.treatment], *places], axis=1)
        _, first, group = np.unique(differing, axis=0, return_index=True, return_inverse=True)
        return first, group.reshape(-1)

    def of_request(self, customer: Values, context: Values, now: float) -> list[float]:
        """The numbers of the ``request`` features, in their order."""
        return self._readers(customer, context, now)

    def rows(
        self,
        index: IntArray,
        customer: Values,
        context: Values,
        now: float,
        out: NDArray[np.float32],
    ) -> NDArray[np.float32]:
        """Fill ``out`` (n, f) with the features of the candidates."""
        # each part is 0 where another one has its features: adding them up joins them, in far
        # less time than assigning columns takes
        self._rows.take(index, axis=0, out=out, mode="clip")
        request = np.zeros(out.shape[1], dtype=np.float32)
        request[self.request] = self.of_request(customer, context, now)
        out += request
        for axis in self.axes:
            of_key = np.zeros((axis.width, out.shape[1]), dtype=np.float32)
            of_key[:, axis.positions] = axis.values(customer, context, now).T
            out += of_key.take(axis.of.take(index), axis=0)
        return out


class _Readers:
    """Reads scalars; a missing one takes its default."""

    def __init__(self, features: Sequence[Feature], catalog: CatalogView) -> None:
        self._defaults = [feature.default for feature in features]
        plans: dict[str, list[tuple[int, str, ConvertValue]]] = {
            "customer": [],
            "context": [],
            "now": [],
        }
        for position, feature in enumerate(features):
            of, _, name = feature.source.partition(".")
            plans[of].append((position, name, convert_value(feature)))
        self._customer, self._context, self._now = plans.values()
        zone = ZoneInfo(catalog.time_zone) if self._now else None
        self._clocks: dict[str, Callable[[float], float]] = {
            "": lambda now: now,
            "hour": lambda now: datetime.fromtimestamp(now, zone).hour,
            "weekday": lambda now: datetime.fromtimestamp(now, zone).weekday(),
        }

    def __call__(self, customer: Values, context: Values, now: float) -> list[float]:
        numbers = self._defaults.copy()
        for position, name, convert in self._customer:
            try:
                value = customer[name]
            except KeyError:
                continue
            numbers[position] = convert(value, now)
        for position, name, convert in self._context:
            try:
                value = context[name]
            except KeyError:
                continue
            numbers[position] = convert(value, now)
        for position, name, convert in self._now:
            numbers[position] = convert(self._clocks[name](now), now)
        return numbers


def _positions(halves: Sequence[str], half: str) -> list[int]:
    return [position for position, found in enumerate(halves) if found == half]


def _axes(
    features: Sequence[Feature], catalog: CatalogView, tables: Mapping[str, ComplementTable]
) -> tuple[Axis, ...]:
    keys = dict.fromkeys(feature.key for feature in features if feature.key)
    return tuple(
        Axis(
            values_of(catalog, key),
            {position: f for position, f in enumerate(features) if f.key == key},
            tables,
        )
        for key in keys
    )


def _column(feature: Feature, catalog: CatalogView) -> FloatArray:
    convert = convert_value(feature)
    values = values_of(catalog, feature.source)
    column = [feature.default if value is None else convert(value, 0.0) for value in values]
    return np.array(column, dtype=np.float64)
