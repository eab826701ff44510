"""Values while a rule runs: CEL's equality, order and arithmetic over plain Python values.

Profiles hold JSON-like values, which may be of another type than declared. `coerce` brings them
as near to the declared type as numbers allow; what is left keeps its own type, and CEL's dynamic
rules decide: values of different types are unequal, cannot be ordered, and do not add up.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, TypeAlias

__all__ = [
    "Duration",
    "Failed",
    "Timestamp",
    "add",
    "coerce",
    "compare",
    "contains",
    "divide",
    "equals",
    "index",
    "moment_of",
    "multiply",
    "negate",
    "remainder",
    "subtract",
    "timestamp",
]

INT_MIN, INT_MAX = -(2**63), 2**63 - 1
FIRST_SECOND, AFTER_LAST_SECOND = -62_135_596_800, 253_402_300_800  # years 1 to 9999

Number: TypeAlias = int | float


class Failed(Exception):  # a value, not a report: it says nothing and is caught nearby
    """The expression is an error in CEL. A missing attribute or key raises KeyError instead."""


class Timestamp(int):
    """Nanoseconds since the epoch. A type of its own: a timestamp is not a number in CEL."""

    __slots__ = ()


class Duration(int):
    """Nanoseconds."""

    __slots__ = ()


_NUMBERS = frozenset({int, float})
_ORDERED = frozenset({int, float, str, bool, Timestamp, Duration})


def timestamp(seconds: float) -> Timestamp:
    """Seconds since the epoch → timestamp, to the microsecond. Raises `Failed` out of range."""
    if FIRST_SECOND <= seconds < AFTER_LAST_SECOND:
        return Timestamp(round(seconds * 1e6) * 1000)
    raise Failed


def moment_of(now: float) -> Timestamp:
    """The time of a decision; one beyond the years 1 to 9999 counts as the nearest in them."""
    if FIRST_SECOND <= now < AFTER_LAST_SECOND:
        return Timestamp(round(now * 1e6) * 1000)
    return Timestamp((AFTER_LAST_SECOND - 1 if now > 0 else FIRST_SECOND) * 10**9)


def plain(value: Any) -> Any:
    """Kindred Python types (numpy's float, tuples, any mapping) → the type itself.

    None raises KeyError: it is missing.
    """
    if value is None:
        raise KeyError
    for type_ in (str, float, int):
        if isinstance(value, type_) and not isinstance(value, bool | Timestamp | Duration):
            return type_(value)
    if isinstance(value, list | tuple):
        return value if type(value) is list else list(value)
    if isinstance(value, Mapping):
        return value if type(value) is dict else dict(value)
    return value


def coerce(value: Any, type_: str) -> Any:
    """A stored value as its declared type sees it.

    Declared ``double``: integers become doubles; declared ``int``: integral doubles become
    integers; declared ``timestamp``: numbers become timestamps. Any other value stays as it is.
    """
    kind = type(value)
    if type_ == "double":
        if kind is int:
            return _double(value)
    elif type_ == "int":
        if kind is float and value.is_integer() and INT_MIN <= value <= INT_MAX:
            return int(value)
    elif type_ == "timestamp":
        if (kind is int or kind is float) and FIRST_SECOND <= value < AFTER_LAST_SECOND:
            return Timestamp(round(value * 1e6) * 1000)
    elif kind is list and type_.startswith("list<"):
        element = type_[5:-1]
        return value if element in {"string", "bool"} else [coerce(e, element) for e in value]
    elif kind is dict and type_.startswith("map<"):
        element = type_[4:-1].partition(",")[2].strip()
        if element in {"string", "bool"}:
            return value
        return {name: coerce(e, element) for name, e in value.items()}
    return value


def _double(value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def equals(a: Any, b: Any) -> bool:
    """CEL's ``==``: numbers by value whatever their type, other types only among themselves."""
    kind, other = type(a), type(b)
    if kind is other:
        if kind is list:
            return len(a) == len(b) and all(map(equals, a, b))
        if kind is dict:
            return a.keys() == b.keys() and all(equals(value, b[name]) for name, value in a.items())
        return bool(a == b)
    return kind in _NUMBERS and other in _NUMBERS and bool(a == b)


def compare(operator: str, a: Any, b: Any) -> bool:
    """CEL's ``< <= > >=``. Raises `Failed` for values that have no order."""
    kind, other = type(a), type(b)
    if not ((kind is other and kind in _ORDERED) or (kind in _NUMBERS and other in _NUMBERS)):
        raise Failed
    if operator == "<":
        return bool(a < b)
    if operator == "<=":
        return bool(a <= b)
    return bool(a > b) if operator == ">" else bool(a >= b)


def contains(element: Any, container: Any) -> bool:
    """CEL's ``element in container`` for lists (elements) and maps (keys)."""
    kind = type(container)
    if kind is list:
        return any(equals(element, other) for other in container)
    if kind is dict:
        return type(element) is str and element in container
    raise Failed


def index(operand: Any, at: Any) -> Any:
    """CEL's ``operand[at]``; a missing key raises KeyError."""
    kind = type(operand)
    if kind is dict and type(at) is str:
        return operand[at]
    if kind is list and type(at) is int and 0 <= at < len(operand):
        return operand[at]
    if kind is dict and type(at) in _NUMBERS:
        raise KeyError(at)
    raise Failed


def _int(value: int) -> int:
    if INT_MIN <= value <= INT_MAX:
        return value
    raise Failed


def _timestamp(nanoseconds: int) -> Timestamp:
    if FIRST_SECOND * 10**9 <= nanoseconds < AFTER_LAST_SECOND * 10**9:
        return Timestamp(nanoseconds)
    raise Failed


def _duration(nanoseconds: int) -> Duration:
    return Duration(_int(nanoseconds))  # what the reference can subtract: 292 years


def add(a: Any, b: Any) -> Any:
    """CEL's ``+``."""
    kind, other = type(a), type(b)
    if kind is other:
        if kind is float or kind is str or kind is list:
            return a + b
        if kind is int:
            return _int(a + b)
        if kind is Duration:
            return _duration(int(a) + int(b))
    if {kind, other} == {Timestamp, Duration}:
        return _timestamp(int(a) + int(b))
    raise Failed


def subtract(a: Any, b: Any) -> Any:
    """CEL's binary ``-``."""
    kind, other = type(a), type(b)
    if kind is other:
        if kind is float:
            return a - b
        if kind is int:
            return _int(a - b)
        if kind is Duration or kind is Timestamp:
            return _duration(int(a) - int(b))
    if kind is Timestamp and other is Duration:
        return _timestamp(int(a) - int(b))
    raise Failed


def multiply(a: Any, b: Any) -> Number:
    """CEL's ``*``."""
    kind = type(a)
    if kind is type(b) and kind in _NUMBERS:
        product: Number = a * b
        return product if kind is float else _int(int(product))
    raise Failed


def divide(a: Any, b: Any) -> Number:
    """CEL's ``/``: integers truncate towards zero, doubles follow IEEE 754."""
    kind = type(a)
    if kind is not type(b) or kind not in _NUMBERS:
        raise Failed
    if kind is int:
        if b == 0:
            raise Failed
        quotient = abs(a) // abs(b)
        return _int(quotient if (a < 0) == (b < 0) else -quotient)
    if b == 0.0:
        if a == 0.0 or math.isnan(a):
            return math.nan
        return math.copysign(math.inf, a) * math.copysign(1.0, b)
    result: float = a / b
    return result


def remainder(a: Any, b: Any) -> int:
    """CEL's ``%``: the sign is that of ``a``."""
    if type(a) is not int or type(b) is not int or b == 0 or (a == INT_MIN and b == -1):
        raise Failed
    rest = abs(a) % abs(b)
    return _int(-rest if a < 0 else rest)


def negate(a: Any) -> Number:
    """CEL's unary ``-``."""
    if type(a) is float:
        return -a
    if type(a) is int:
        return _int(-a)
    raise Failed
