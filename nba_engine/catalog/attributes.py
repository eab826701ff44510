"""The free attributes of actions and treatments: their values, and one type per name."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Mapping
from typing import Any, Generic, TypeVar
from zoneinfo import ZoneInfo

import msgspec

from nba_engine.catalog.findings import Findings
from nba_engine.catalog.read import check_name
from nba_engine.catalog.times import seconds
from nba_engine.domain import Value
from nba_engine.settings import join

__all__ = ["ACTION_NAMES", "TREATMENT_NAMES", "AttributeSource", "Attributes", "read_attributes"]

# what rules see of every action and every treatment beside their attributes
ACTION_NAMES: Mapping[str, str] = {
    "id": "string",
    "name": "string",
    "kind": "string",
    "group": "string",
    "campaign": "string",
    "tags": "list<string>",
    "prior": "double",
}
TREATMENT_NAMES: Mapping[str, str] = {
    "id": "string",
    "channel": "string",
    "cost": "double",
    "tags": "list<string>",
}

K = TypeVar("K")


class AttributeSource(msgspec.Struct, Generic[K], frozen=True, kw_only=True):
    """The ``attributes`` table of one action or treatment, and whose it is."""

    key: K
    file: str
    place: str
    values: Mapping[str, Any]


class Attributes(msgspec.Struct, Generic[K], frozen=True, kw_only=True):
    """All attributes, by whose they are; ``types`` by name; ``broken`` names with mistakes."""

    values: dict[K, dict[str, Value]]
    types: dict[str, str]
    broken: frozenset[str]


def read_attributes(
    sources: Iterable[AttributeSource[K]],
    reserved: Mapping[str, str],
    root: str,
    zone: ZoneInfo,
    findings: Findings,
) -> Attributes[K]:
    """Normalize values (times become seconds) and agree on a type per name.

    A name that is a whole number here and a fraction there is a ``double`` everywhere; any other
    disagreement is a mistake. ``root`` is what rules call the owner (``action``).
    """
    result: dict[K, dict[str, Value]] = {}
    types: dict[str, str] = {}
    first: dict[str, str] = {}  # name → the place that settled its type
    broken: set[str] = set()
    for source in sources:
        values = result.setdefault(source.key, {})
        for name, raw in source.values.items():
            place = join(source.place, name)
            if name in reserved:
                message = f"{root}.{name} is there for every {root}"
                findings.mistake(source.file, place, message, "choose another name")
                continue
            if not check_name(name, source.file, source.place, findings, identifier=True):
                continue
            value, kind = _typed(raw, zone)
            if kind is None:
                broken.add(name)
                remedy = "give text, a number, true or false, a date, or a list of one of these"
                findings.mistake(source.file, place, "rules have no such value", remedy)
                continue
            values[name] = value
            known = types.setdefault(name, kind)
            first.setdefault(name, place)
            if known == kind:
                continue
            if {known, kind} == {"int", "double"}:
                types[name] = "double"
                continue
            broken.add(name)
            del values[name]
            message = f"is {kind}, but {known} in {first[name]}"
            findings.mistake(source.file, place, message, "give it the same type everywhere")
    doubles = {name for name, kind in types.items() if kind == "double"}
    for values in result.values():
        for name in doubles & values.keys():
            values[name] = float(values[name])
    return Attributes(values=result, types=types, broken=frozenset(broken))


def _typed(raw: object, zone: ZoneInfo) -> tuple[Value, str | None]:
    """A value as rules see it, and its type (None: rules have no such value)."""
    if isinstance(raw, bool):
        return raw, "bool"
    if isinstance(raw, str):
        return raw, "string"
    if isinstance(raw, int):
        return raw, "int"
    if isinstance(raw, float):
        return raw, "double" if math.isfinite(raw) else None
    if isinstance(raw, dt.date):
        return seconds(raw, zone), "timestamp"
    if isinstance(raw, list):
        if all(isinstance(item, str) for item in raw):
            return list(raw), "list<string>"
        if all(type(item) in (int, float) and math.isfinite(item) for item in raw):
            return [float(item) for item in raw], "list<double>"
    return None, None
