"""Whether a value is of a declared attribute type, and its normal form."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TypeAlias

from nba_engine.domain import Attribute, Value, Values
from nba_engine.errors import Violation
from nba_engine.settings import suggest

__all__ = ["Reader", "normalized", "reader_of", "readers_of"]

INT_MIN, INT_MAX = -(2**63), 2**63 - 1
# what the API's Timestamp can hold: years 1 to 9999
FIRST_SECOND, LAST_SECOND = -62_135_596_800, 253_402_300_799

# value → its normal form (an int where a double is declared becomes one); raises ValueError
Reader: TypeAlias = Callable[[Value], Value]


def _string(value: Value) -> Value:
    if type(value) is str and (value.isascii() or _is_text(value)):
        return value
    raise ValueError("must be a string")


def _int(value: Value) -> Value:
    if type(value) is int:
        if INT_MIN <= value <= INT_MAX:
            return value
        raise ValueError("must be a whole number of 64 bits")
    raise ValueError("must be a whole number")


def _is_text(value: str) -> bool:
    """Whether it can be written down: half a surrogate pair cannot."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _double(value: Value) -> Value:
    if type(value) is float and math.isfinite(value):
        return value
    if type(value) is int:
        try:
            return float(value)
        except OverflowError:
            raise ValueError("must be a finite number") from None
    raise ValueError("must be a finite number")


def _bool(value: Value) -> Value:
    if type(value) is bool:
        return value
    raise ValueError("must be true or false")


def _timestamp(value: Value) -> Value:
    try:
        time = _double(value)
    except ValueError:
        raise ValueError("must be a time in seconds since the epoch") from None
    if FIRST_SECOND <= time <= LAST_SECOND:
        return time
    raise ValueError("must be a time in the years 1 to 9999")


def _list_of(item: Reader, what: str) -> Reader:
    def read(value: Value) -> Value:
        if not isinstance(value, list | tuple):
            raise ValueError(f"must be a list of {what}")  # noqa: TRY004 - as the readers do
        try:
            return [item(one) for one in value]
        except ValueError:
            raise ValueError(f"must be a list of {what}") from None

    return read


def _map_of(item: Reader, what: str) -> Reader:
    def read(value: Value) -> Value:
        if not isinstance(value, Mapping):
            raise ValueError(  # noqa: TRY004 - as the readers do
                f"must be a map from strings to {what}"
            )
        try:
            return {_string(key): item(one) for key, one in value.items()}
        except ValueError:
            raise ValueError(f"must be a map from strings to {what}") from None

    return read


_READERS: Mapping[str, Reader] = {
    "string": _string,
    "int": _int,
    "double": _double,
    "bool": _bool,
    "timestamp": _timestamp,
    "list<string>": _list_of(_string, "strings"),
    "list<double>": _list_of(_double, "numbers"),
    "map<string,double>": _map_of(_double, "numbers"),
    "map<string,int>": _map_of(_int, "whole numbers"),
    "map<string,timestamp>": _map_of(_timestamp, "times"),
}


def reader_of(kind: str) -> Reader:
    """The reader of a declared type."""
    return _READERS[kind]


def readers_of(attributes: Mapping[str, Attribute]) -> dict[str, Reader]:
    """A reader per declared attribute."""
    return {name: _READERS[attribute.type] for name, attribute in attributes.items()}


def normalized(
    values: Values, readers: Mapping[str, Reader], place: str, violations: list[Violation]
) -> dict[str, Value] | None:
    """The values in their normal form, or None when they already are.

    Undeclared names and wrong types are added to ``violations`` under ``place[name]``; their
    values are not repeated, they may be sensitive.
    """
    changed: dict[str, Value] | None = None
    for name, value in values.items():
        reader = readers.get(name)
        if reader is None:
            remedy = suggest(name, readers, "declared names")
            description = f"is not declared in the catalog ({remedy})"
            violations.append(Violation(field=f"{place}[{name}]", description=description))
            continue
        try:
            normal = reader(value)
        except ValueError as error:
            violations.append(Violation(field=f"{place}[{name}]", description=str(error)))
            continue
        if normal is not value:
            if changed is None:
                changed = dict(values)
            changed[name] = normal
    return changed
