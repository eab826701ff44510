"""`Value` and `Timestamp` ↔ plain Python values."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from google.protobuf.timestamp_pb2 import Timestamp

from nba_engine import domain
from nba_engine._gen.nba.v1 import value_pb2
from nba_engine.server.convert.violations import Violations
from nba_engine.settings import suggest

__all__ = [
    "fill_time",
    "read_time",
    "read_value",
    "read_values",
    "write_time",
    "write_value",
    "write_values",
]

MAX_STRING = 4096
MAX_ELEMENTS = 1000
MAX_KEY = 256
MAX_NAME = 128
# what Timestamp allows: years 1 to 9999
_MIN_SECONDS, _MAX_SECONDS = -62_135_596_800, 253_402_300_799
_MICROS, _NANOS = 1_000_000, 1_000_000_000

_TYPE_OF_KIND = {
    "string_value": "string",
    "int_value": "int",
    "double_value": "double",
    "bool_value": "bool",
    "timestamp_value": "timestamp",
    "list_value": "list",
    "map_value": "map",
}


def read_time(time: Timestamp, field: str, violations: Violations) -> float:
    """Seconds since the epoch, to the microsecond."""
    if not (_MIN_SECONDS <= time.seconds <= _MAX_SECONDS and 0 <= time.nanos < _NANOS):
        violations.add(field, "not a valid timestamp (seconds and nanos, years 1 to 9999)")
        return 0.0
    return time.seconds + time.nanos // 1000 / _MICROS


def fill_time(message: Timestamp, time: float) -> None:
    """Seconds since the epoch into a Timestamp, rounded to the microsecond."""
    message.seconds, micros = divmod(round(time * _MICROS), _MICROS)
    message.nanos = micros * 1000


def write_time(time: float) -> Timestamp:
    """Seconds since the epoch → Timestamp, rounded to the microsecond."""
    message = Timestamp()
    fill_time(message, time)
    return message


def read_value(
    value: value_pb2.Value, declared: str, field: str, violations: Violations
) -> domain.Value:
    """A value of the ``declared`` type ("" accepts any). An int serves where a double is declared."""
    kind = value.WhichOneof("kind")
    if kind == "list_value":
        return _read_list(value.list_value.values, declared, field, violations)
    if kind == "map_value":
        return _read_map(value.map_value.values, declared, field, violations)
    if kind is None:
        violations.add(field, f"must hold a value{f' of type {declared}' if declared else ''}")
        return None
    given = _TYPE_OF_KIND[kind]
    if declared and given != declared:
        if declared == "double" and kind == "int_value":
            return float(value.int_value)
        violations.add(field, f"must be {declared}, not {given}")
        return None
    if kind == "timestamp_value":
        return read_time(value.timestamp_value, field, violations)
    plain: domain.Value = getattr(value, kind)
    if kind == "string_value" and len(plain) > MAX_STRING:
        violations.add(field, f"at most {MAX_STRING} characters, not {len(plain)}")
    elif kind == "double_value" and not math.isfinite(plain):
        violations.add(field, "must be a finite number")
    return plain


def read_values(
    values: Mapping[str, value_pb2.Value],
    declared: Mapping[str, str] | None,
    field: str,
    violations: Violations,
    *,
    maximum: int,
) -> dict[str, domain.Value]:
    """Values by name. Names not in ``declared`` (name → type) are wrong; None accepts any."""
    if not violations.count(len(values), field, maximum=maximum):
        return {}
    result: dict[str, domain.Value] = {}
    for name in values:  # `items` of a protobuf map is Python code that looks everything up twice
        value = values[name]
        if declared is not None:
            plain = _plain(value, declared.get(name, ""))
            if plain is not None:
                result[name] = plain
                continue
        place = f'{field}["{name[:MAX_NAME]}"]'
        if declared is not None and name not in declared:
            remedy = suggest(name[:MAX_NAME], declared, "declared names")
            violations.add(place, f"not declared in the catalog ({remedy})")
            continue
        if declared is None:
            violations.id(name, place, maximum=MAX_NAME)
        result[name] = read_value(value, declared[name] if declared else "", place, violations)
    return result


def _plain(value: value_pb2.Value, declared: str) -> domain.Value:
    """A double or string of the ``declared`` type, as most are; None: `read_value` has to look."""
    if declared == "double" and value.HasField("double_value"):
        number = value.double_value
        return number if -math.inf < number < math.inf else None
    if declared == "string" and value.HasField("string_value"):
        text = value.string_value
        return text if len(text) <= MAX_STRING else None
    return None


def write_value(value: domain.Value, declared: str = "") -> value_pb2.Value:
    """A plain value as the ``declared`` type: times are floats, so only the type tells them."""
    if isinstance(value, str):
        return value_pb2.Value(string_value=value)
    if isinstance(value, bool):
        return value_pb2.Value(bool_value=value)
    if isinstance(value, int | float):
        if declared == "timestamp":
            return value_pb2.Value(timestamp_value=write_time(value))
        if isinstance(value, int) and declared != "double":
            return value_pb2.Value(int_value=value)
        return value_pb2.Value(double_value=value)
    if isinstance(value, Mapping):
        inner = _element_type(declared)
        entries = {str(key): write_value(element, inner) for key, element in value.items()}
        return value_pb2.Value(map_value=value_pb2.MapValue(values=entries))
    if isinstance(value, Iterable):
        inner = _element_type(declared)
        elements = [write_value(element, inner) for element in value]
        return value_pb2.Value(list_value=value_pb2.ListValue(values=elements))
    raise TypeError(f"no Value holds a {type(value).__name__}")


def write_values(
    values: Mapping[str, domain.Value], declared: Mapping[str, str] | None = None
) -> dict[str, value_pb2.Value]:
    """Values by name; ``declared`` gives the types where there are any."""
    types = declared or {}
    return {
        name: write_value(value, types.get(name, ""))
        for name, value in values.items()
        if value is not None
    }


def _read_list(
    values: Iterable[value_pb2.Value], declared: str, field: str, violations: Violations
) -> list[domain.Value]:
    elements = list(values)
    if declared and not declared.startswith("list<"):
        violations.add(field, f"must be {declared}, not list")
        return []
    if not violations.count(len(elements), field, maximum=MAX_ELEMENTS):
        return []
    inner = _element_type(declared)
    result = []
    for position, element in enumerate(elements):
        inner = inner or _TYPE_OF_KIND.get(element.WhichOneof("kind") or "", "")
        result.append(_read_element(element, inner, f"{field}[{position}]", violations))
    return result


def _read_map(
    values: Mapping[str, value_pb2.Value], declared: str, field: str, violations: Violations
) -> dict[str, domain.Value]:
    if declared and not declared.startswith("map<"):
        violations.add(field, f"must be {declared}, not map")
        return {}
    if not violations.count(len(values), field, maximum=MAX_ELEMENTS):
        return {}
    inner = _element_type(declared)
    # keys may be as sensitive as values: no error names one
    place = f"{field}.values"
    if any(len(key) > MAX_KEY for key in values):
        violations.add(field, f"a key is at most {MAX_KEY} characters")
        return {}
    result = {}
    for key, element in values.items():
        inner = inner or _TYPE_OF_KIND.get(element.WhichOneof("kind") or "", "")
        before = len(violations.found)
        result[key] = _read_element(element, inner, place, violations)
        if len(violations.found) > before:
            break
    return result


def _read_element(
    element: value_pb2.Value, declared: str, field: str, violations: Violations
) -> domain.Value:
    if element.WhichOneof("kind") in ("list_value", "map_value"):
        violations.add(field, "lists and maps hold plain values only")
        return None
    return read_value(element, declared, field, violations)


def _element_type(declared: str) -> str:
    """``list<double>`` → double, ``map<string,int>`` → int."""
    return declared[declared.index("<") + 1 : -1].rpartition(",")[2] if "<" in declared else ""
