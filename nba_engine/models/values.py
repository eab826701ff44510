"""From one raw value to one number: the transforms of `Feature`, and what counts as missing."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from nba_engine.domain.features import Feature
from nba_engine.domain.values import Value

__all__ = ["DAY", "LARGEST", "ConvertValue", "convert_value", "is_equal", "word_of"]

DAY = 86_400.0
LARGEST = float(np.finfo(np.float32).max)  # what lies beyond cannot be a model input

# (raw value, now) → the number; the default for a wrong type, NaN, infinity
ConvertValue = Callable[[Value, float], float]


def convert_value(feature: Feature) -> ConvertValue:
    """The conversion of one feature: transform, then clip; the default stays as declared.

    Every decision calls these for each feature of the request: what is usual comes first.
    """
    default, low, high = feature.default, feature.minimum, feature.maximum
    low = -LARGEST if low is None else max(low, -LARGEST)
    high = LARGEST if high is None else min(high, LARGEST)

    def finish(number: float) -> float:
        if -LARGEST <= number <= LARGEST:
            return low if number < low else high if number > high else float(number)
        return default

    def plain(value: Value, _now: float) -> float:
        # bool is an int; comparing keeps huge integers from overflowing
        if isinstance(value, (int, float)):
            return float(value) if low <= value <= high else finish(value)
        return default

    def log1p(value: Value, _now: float) -> float:
        if isinstance(value, (int, float)) and -1.0 < value <= _LARGEST_DOUBLE:
            number = math.log1p(value)
            return number if low <= number <= high else finish(number)
        return default

    def days_since(value: Value, now: float) -> float:
        if isinstance(value, (int, float)) and -_LARGEST_DOUBLE <= value <= _LARGEST_DOUBLE:
            return finish((now - value) / DAY)
        return default

    wanted, same, other = feature.value, finish(1.0), finish(0.0)

    def equals(value: Value, _now: float) -> float:
        if isinstance(value, str):
            return same if value == wanted else other
        return finish(is_equal(value, wanted))

    positions = {word: float(place) for place, word in enumerate(feature.categories)}

    def category(value: Value, _now: float) -> float:
        return positions.get(word_of(value), default)

    def element(value: Value, now: float) -> float:
        if isinstance(value, Mapping):
            return plain(value.get(wanted), now)
        return default

    kinds: dict[str, ConvertValue] = {
        "none": plain,
        "log1p": log1p,
        "days_since": days_since,
        "equals": equals,
        "category": category,
        "element": element,
        "table": plain,  # of the summed strengths
    }
    return kinds[feature.transform]


def word_of(value: Value) -> str:
    """A single value as categories name it: ``true``, ``7``, ``red``; "" for lists and maps."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value) if isinstance(value, (str, int, float)) else ""


def is_equal(value: Value, wanted: Value) -> float:
    """1.0 or 0.0; NaN when the value is no text, number or boolean."""
    if isinstance(value, (str, int, float)) and value == value:  # noqa: PLR0124 (not NaN)
        return 1.0 if value == wanted else 0.0
    return math.nan


_LARGEST_DOUBLE = float(np.finfo(np.float64).max)
