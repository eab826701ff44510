"""Reading one cross feature of one customer: which keys get which raw value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import repeat

import numpy as np

from nba_engine.domain.features import Feature
from nba_engine.domain.tables import ComplementTable
from nba_engine.domain.values import FloatArray, IntArray, Value, Values
from nba_engine.models.values import is_equal

__all__ = ["Lookup", "Raw", "Sums"]

_NUMBERS = {int, float, bool}
_FLOATS = {float}
_DENSE = 4  # from a quarter of the keys on, reading every key is faster than finding some


class Raw:
    """Raw values of one axis as they are gathered: flat places and their numbers."""

    __slots__ = ("matrix", "numbers", "places")

    def __init__(self, matrix: FloatArray) -> None:
        self.matrix = matrix
        self.places: list[int] = []
        self.numbers: list[float] = []

    def scatter(self) -> None:
        """Put what was gathered into the matrix."""
        if self.places:
            self.matrix.reshape(-1)[self.places] = self.numbers


class Lookup:
    """A map of the customer or the context, read at the keys that the actions have."""

    def __init__(self, feature: Feature, place: Mapping[str, int], row: int, width: int) -> None:
        self._of_customer, self._name = _source(feature)
        self._row = row
        self._keys = list(place)
        self._place = {key: row * width + position for key, position in place.items()}
        self._equals = feature.transform == "equals"
        self._wanted = feature.value

    def __call__(self, customer: Values, context: Values, raw: Raw) -> None:
        try:
            values = (customer if self._of_customer else context)[self._name]
        except KeyError:
            return
        if not isinstance(values, Mapping):
            return
        if len(values) * _DENSE >= len(self._keys):
            raw.matrix[self._row, : len(self._keys)] = self._numbers(
                list(map(values.get, self._keys, repeat(np.nan)))
            )
            return
        keys = values.keys() & self._place.keys()  # runs over the shorter one
        if not keys:
            return
        raw.numbers += self._numbers([values[key] for key in keys])
        raw.places += [self._place[key] for key in keys]

    def _numbers(self, values: list[Value]) -> list[float]:
        if self._equals:
            return [is_equal(value, self._wanted) for value in values]
        return _as_numbers(values)


class Sums:
    """Σ of a complement table's strengths from the customer's elements to every key."""

    def __init__(
        self, feature: Feature, place: Mapping[str, int], row: int, table: ComplementTable
    ) -> None:
        self._of_customer, self._name = _source(feature)
        self._row = row
        self._keys = len(place)
        self._entries: dict[str, tuple[IntArray, FloatArray]] = {}
        for item in table.items:
            fitting = {
                place[key]: strength
                for key, strength in table.complements(item).items()
                if key in place
            }
            if fitting:
                self._entries[item] = (
                    np.fromiter(fitting.keys(), dtype=np.intp),
                    np.fromiter(fitting.values(), dtype=np.float64),
                )

    def __call__(self, customer: Values, context: Values, raw: Raw) -> None:
        try:
            elements = _elements((customer if self._of_customer else context)[self._name])
        except KeyError:
            return
        if elements is None:
            return
        found = [self._entries[item] for item in elements if item in self._entries]
        sums = raw.matrix[self._row, : self._keys]
        if not found:
            sums[:] = 0.0
            return
        sums[:] = np.bincount(
            np.concatenate([places for places, _ in found]),
            weights=np.concatenate([strengths for _, strengths in found]),
            minlength=self._keys,
        )


def _source(feature: Feature) -> tuple[bool, str]:
    of, _, name = feature.source.partition(".")
    return of == "customer", name


def _elements(value: Value) -> Iterable[str] | None:
    """The distinct texts of a list, or the keys of a map whose value is not 0."""
    if isinstance(value, Mapping):
        return [key for key, amount in value.items() if amount != 0]
    if isinstance(value, (list, tuple, set, frozenset)):
        return dict.fromkeys(element for element in value if isinstance(element, str))
    return None


def _as_numbers(values: list[Value]) -> list[float]:
    kinds = set(map(type, values))
    if kinds == _FLOATS:
        return values
    if kinds <= _NUMBERS:
        try:
            return list(map(float, values))
        except OverflowError:  # an integer beyond every float
            pass
    return [_as_number(value) for value in values]


def _as_number(value: Value) -> float:
    try:
        return float(value) if isinstance(value, (int, float)) else np.nan
    except OverflowError:
        return np.nan
