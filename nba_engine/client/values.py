"""`Value`, `Timestamp` and `Duration` ↔ plain Python values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TypeAlias

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from nba_engine._gen.nba.v1 import value_pb2
from nba_engine.client.errors import InvalidRequest, Violation

__all__ = [
    "Scalar",
    "Value",
    "Violations",
    "fill_time",
    "fill_values",
    "money",
    "read_duration",
    "read_time",
    "read_value",
    "read_values",
]

Scalar: TypeAlias = str | int | float | bool | datetime
Value: TypeAlias = Scalar | Sequence[Scalar] | Mapping[str, Scalar]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROS = Decimal(1_000_000)
_INT64 = 2**63


class Violations:
    """What is wrong with a request, before it is sent."""

    __slots__ = ("found",)

    def __init__(self) -> None:
        self.found: list[Violation] = []

    def add(self, field: str, description: str) -> None:
        """Note that ``field`` is wrong."""
        self.found.append(Violation(field=field, description=description))

    def raise_any(self, method: str) -> None:
        """Raise `InvalidRequest` when anything was noted."""
        if self.found:
            raise InvalidRequest.of(self.found, method=method)


def money(micros: int) -> Decimal:
    """Micros as units of the currency, exactly."""
    return micros / _MICROS


def read_time(message: Timestamp) -> datetime:
    """A Timestamp as an aware time in UTC, to the microsecond."""
    return _EPOCH + timedelta(seconds=message.seconds, microseconds=message.nanos // 1000)


def read_duration(message: Duration) -> timedelta:
    """A Duration, to the microsecond."""
    return timedelta(seconds=message.seconds, microseconds=message.nanos // 1000)


def fill_time(message: Timestamp, time: datetime, field: str, violations: Violations) -> None:
    """An aware time into a Timestamp."""
    if time.tzinfo is None:
        violations.add(field, "a time needs a time zone, such as datetime.now(UTC)")
        return
    since = time - _EPOCH
    message.seconds = since.days * 86_400 + since.seconds
    message.nanos = since.microseconds * 1000


def read_value(message: value_pb2.Value) -> Value:
    """A Value as a plain one: lists as list, maps as dict."""
    kind = message.WhichOneof("kind")
    if kind == "list_value":
        return [_scalar(element) for element in message.list_value.values]
    if kind == "map_value":
        return {name: _scalar(element) for name, element in message.map_value.values.items()}
    return _scalar(message)


def read_values(messages: Mapping[str, value_pb2.Value]) -> dict[str, Value]:
    """Plain values by name."""
    return {name: read_value(message) for name, message in messages.items()}


def _scalar(message: value_pb2.Value) -> Scalar:
    kind = message.WhichOneof("kind") or "string_value"
    if kind == "timestamp_value":
        return read_time(message.timestamp_value)
    plain: Scalar = getattr(message, kind)
    return plain


def fill_values(
    messages: Mapping[str, value_pb2.Value],
    values: Mapping[str, Value],
    field: str,
    violations: Violations,
) -> None:
    """Plain values into a map of Values. Types that no Value holds are violations."""
    for name, value in values.items():
        _fill_value(messages[name], value, f'{field}["{name}"]', violations)


def _fill_value(
    message: value_pb2.Value, value: object, field: str, violations: Violations
) -> None:
    if isinstance(value, Mapping):
        message.map_value.SetInParent()  # an empty map is a value, too
        for key, element in value.items():
            if isinstance(key, str):
                _fill_scalar(message.map_value.values[key], element, field, violations)
            else:
                violations.add(field, f"a key is a string, not {type(key).__name__}")
    elif isinstance(value, list | tuple | set | frozenset):
        message.list_value.SetInParent()
        for element in value:
            _fill_scalar(message.list_value.values.add(), element, field, violations)
    else:
        _fill_scalar(message, value, field, violations)


def _fill_scalar(
    message: value_pb2.Value, value: object, field: str, violations: Violations
) -> None:
    if isinstance(value, str):
        message.string_value = value
    elif isinstance(value, bool):
        message.bool_value = value
    elif isinstance(value, int):
        if -_INT64 <= value < _INT64:
            message.int_value = value
        else:
            violations.add(field, "a whole number must fit into 64 bits")
    elif isinstance(value, float):
        message.double_value = value
    elif isinstance(value, datetime):
        fill_time(message.timestamp_value, value, field, violations)
    elif value is None:
        violations.add(field, "there is no null: leave it out")
    else:
        violations.add(field, f"no value of the API holds a {type(value).__name__}")
