"""What databases give → values of the declared types."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

__all__ = ["as_declared"]


def as_declared(value: Any, kind: str) -> Any:
    """A column's value as one of the declared type; as it is, where nothing fits.

    Nothing is rounded or guessed: 1 is true for a bool, 5.0 and ``Decimal(5)`` are 5 for an int, a
    time without a zone is UTC, lists and maps may be JSON text. What then is of another type counts
    as missing; the engine sees to that.
    """
    convert = _CONVERT.get(kind, _json)
    try:
        return convert(value)
    except (ValueError, OverflowError, ArithmeticError):
        return value


def _text(value: Any) -> Any:
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, int | Decimal | UUID) and not isinstance(value, bool):
        return str(value)
    return value


def _int(value: Any) -> Any:
    if isinstance(value, float | Decimal) and value == int(value):
        return int(value)
    return value


def _double(value: Any) -> Any:
    return float(value) if isinstance(value, int | Decimal) and value is not True else value


def _bool(value: Any) -> Any:
    return bool(value) if isinstance(value, int | Decimal) and value in (0, 1) else value


def _timestamp(value: Any) -> Any:
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day, tzinfo=UTC)
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
    return _double(value)


def _json(value: Any) -> Any:
    if isinstance(value, str | bytes):
        value = json.loads(value)
    if isinstance(value, list | tuple):
        return [_number(one) for one in value]
    if isinstance(value, Mapping):
        return {key: _number(one) for key, one in value.items()}
    return value


def _number(value: Any) -> Any:
    """An element of a list or map: exact numbers and times as plain ones."""
    if isinstance(value, Decimal):
        return int(value) if value == int(value) else float(value)
    return _timestamp(value) if isinstance(value, date) else value


_CONVERT: Mapping[str, Callable[[Any], Any]] = {
    "string": _text,
    "int": _int,
    "double": _double,
    "bool": _bool,
    "timestamp": _timestamp,
}
