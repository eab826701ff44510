"""What the columns of a row mean: an interaction, or a profile.

What is wrong with one is told without its values: they may be personal.
"""

from __future__ import annotations

import json
import math
import time as clock
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from nba_engine.domain import Attribute, Consent, Interaction, ProfileUpdate
from nba_engine.sources.rows import RowError, to_seconds

__all__ = ["interaction", "profile"]

_TRUE = {"true", "yes", "1"}
_FALSE = {"false", "no", "0"}


def interaction(values: Mapping[str, Any]) -> Interaction:
    """An interaction from a row.

    Columns ``interaction_id``, ``identity``, ``type``, ``time``, optional ``recommendation_id``;
    ``properties`` as an object, and every other column, become properties; nulls are left out.
    """
    values = dict(values)
    texts = {name: _text(values, name) for name in ("interaction_id", "identity", "type")}
    if "time" not in values:
        raise RowError("column 'time' is missing")
    time = _time(values.pop("time"), "'time'")
    if not math.isfinite(time):
        raise RowError("'time' is not finite")
    recommendation = values.pop("recommendation_id", None)
    properties = _object(values.pop("properties", {}), "properties")
    properties.update({k: _guess(v) for k, v in values.items()})
    return Interaction(
        **texts,
        time=time,
        properties={k: _plain(v) for k, v in properties.items() if v is not None},
        recommendation_id="" if recommendation is None else str(recommendation),
    )


def profile(values: Mapping[str, Any], attributes: Mapping[str, Attribute]) -> ProfileUpdate:
    """A profile from a row.

    Columns ``identity``, a column per declared attribute (or an object ``attributes``), and
    ``consent:<purpose>:<channel>`` with true or false (or an object ``consents``). Nulls are left
    out.
    """
    values = dict(values)
    identity = _text(values, "identity")
    time = _time(values.pop("time", clock.time()), "'time'")
    found = _object(values.pop("attributes", {}), "attributes")
    consents = {
        key: _boolean(given, key)
        for key, given in _object(values.pop("consents", {}), "consents").items()
        if given is not None
    }
    for name, value in values.items():
        if name.startswith("consent:") and value is not None:
            consents[name.removeprefix("consent:")] = _boolean(value, name)
        else:
            found[name] = value
    typed: dict[str, Any] = {}
    for name, value in found.items():
        if value is None:
            continue
        declared = attributes.get(name)
        if declared is None:
            raise RowError(f"attribute {name!r} is not declared in the catalog")
        typed[name] = _typed(name, value, declared.type)
    return ProfileUpdate(
        identity=identity,
        attributes=typed,
        consents={
            key: Consent(granted=given, time=time, source="import")
            for key, given in consents.items()
        },
    )


def _time(value: Any, name: str) -> float:
    try:
        return to_seconds(value)
    except RowError:
        hint = "write seconds since the epoch or 2026-11-21T08:30:00+01:00"
        raise RowError(f"{name} is no time; {hint}") from None


def _text(values: dict[str, Any], name: str) -> str:
    value = values.pop(name, None)
    if value is None or value == "":
        raise RowError(f"column {name!r} is missing")
    return str(value)


def _object(value: Any, name: str) -> dict[str, Any]:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError as error:
            raise RowError(f"{name!r} is no JSON object: {error}") from error
    if not isinstance(value, Mapping):
        raise RowError(f"{name!r} must be an object")
    return dict(value)


def _boolean(value: Any, name: str) -> bool:
    if isinstance(value, bool):
        return value
    word = str(value).strip().lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise RowError(f"{name!r} is neither true nor false")


def _guess(value: Any) -> Any:
    """A number, boolean, list or object where a text cell spells one; the text otherwise."""
    if not isinstance(value, str) or not value or value[0] not in "-0123456789[{tf":
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return to_seconds(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, list):
        return [_plain(item) for item in value if item is not None]
    return value


def _typed(name: str, value: Any, kind: str) -> Any:
    """A cell as the attribute's declared type. Raises `RowError`."""
    try:
        if kind == "string":
            return str(value)
        if kind in ("int", "double"):
            return _number(value, kind)
        if kind == "bool":
            return _boolean(value, name)
        if kind == "timestamp":
            return _time(value, f"attribute {name!r}")
        if isinstance(value, str):
            value = json.loads(value)
        if kind.startswith("list<") and isinstance(value, list):
            return [_typed(name, item, kind[5:-1]) for item in value]
        if kind.startswith("map<string,"):
            pairs = value.items() if isinstance(value, Mapping) else value  # Parquet maps: pairs
            return {str(key): _typed(name, item, kind[11:-1]) for key, item in pairs}
    except RowError:
        raise
    except (TypeError, ValueError):
        pass
    raise RowError(f"attribute {name!r} is no {kind}")


def _number(value: Any, kind: str) -> int | float:
    """A number of exactly this kind; nothing is cut off. Raises `TypeError` or `ValueError`."""
    if isinstance(value, bool):
        raise TypeError(value)
    if kind == "double":
        return float(value)
    if isinstance(value, float) and not value.is_integer():
        raise ValueError(value)
    return int(value)
