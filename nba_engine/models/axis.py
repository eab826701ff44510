"""Cross features: what a customer has for each key that the actions have (an axis)."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence

import numpy as np

from nba_engine.domain.features import Feature
from nba_engine.domain.tables import ComplementTable
from nba_engine.domain.values import BoolArray, FloatArray, IntArray, Value, Values
from nba_engine.models.lookups import Lookup, Raw, Sums
from nba_engine.models.values import DAY, LARGEST

__all__ = ["Axis"]


class Axis:
    """The cross features of one key (``action.category``), computed once per distinct key.

    ``positions`` are the features' places in a row, ``of`` (T,) says where on the axis a
    treatment is; the last place is for treatments without the key, which take the defaults.
    """

    def __init__(
        self,
        keys: Sequence[Value],
        features: Mapping[int, Feature],
        tables: Mapping[str, ComplementTable],
    ) -> None:
        names = dict.fromkeys(key for key in keys if isinstance(key, str))
        place = {name: position for position, name in enumerate(names)}
        # a key that is not text may not even be hashable
        self.of: IntArray = np.array(
            [place[key] if isinstance(key, str) else len(place) for key in keys], dtype=np.intp
        )
        self.width = len(place) + 1
        groups = [
            [(at, feature) for at, feature in features.items() if _group(feature) == group]
            for group in ("plain", "days_since", "log1p")
        ]
        plain, days, _ = map(len, groups)
        ordered = [feature for group in groups for _, feature in group]
        self.positions = [at for group in groups for at, _ in group]
        self._days = slice(plain, plain + days)
        self._logs = slice(plain + days, len(ordered))
        self._reads = [
            Sums(feature, place, row, tables[feature.table])
            if feature.transform == "table"
            else Lookup(feature, place, row, self.width)
            for row, feature in enumerate(ordered)
        ]
        self._default = np.array([[feature.default] for feature in ordered])
        self._low = _limits([feature.minimum for feature in ordered], -LARGEST)
        self._high = _limits([feature.maximum for feature in ordered], LARGEST)
        self._local = threading.local()

    def values(self, customer: Values, context: Values, now: float) -> FloatArray:
        """(features, keys + 1) in the order of ``positions``.

        Overwritten by the next call on the same thread.
        """
        values, size, bad = self._buffers()
        values.fill(np.nan)
        raw = Raw(values)
        for read in self._reads:
            read(customer, context, raw)
        raw.scatter()
        self._transform(values, now)
        np.logical_not(np.less_equal(np.abs(values, out=size), LARGEST, out=bad), out=bad)
        if self._low is not None:
            np.maximum(values, self._low, out=values)
        if self._high is not None:
            np.minimum(values, self._high, out=values)
        np.copyto(values, self._default, where=bad)
        return values

    def _transform(self, values: FloatArray, now: float) -> None:
        days, logs = values[self._days], values[self._logs]
        if len(days):
            np.subtract(now, days, out=days)
            np.divide(days, DAY, out=days)
        if len(logs):
            logs[logs <= -1.0] = np.nan
            np.log1p(logs, out=logs)

    def _buffers(self) -> tuple[FloatArray, FloatArray, BoolArray]:
        try:
            buffers: tuple[FloatArray, FloatArray, BoolArray] = self._local.buffers
        except AttributeError:
            shape = (len(self.positions), self.width)
            buffers = (np.empty(shape), np.empty(shape), np.empty(shape, dtype=np.bool_))
            self._local.buffers = buffers
        return buffers


def _group(feature: Feature) -> str:
    transform = feature.transform
    return transform if transform in ("days_since", "log1p") else "plain"


def _limits(limits: Sequence[float | None], otherwise: float) -> FloatArray | None:
    if all(limit is None for limit in limits):
        return None
    return np.array([[otherwise if limit is None else limit] for limit in limits])
