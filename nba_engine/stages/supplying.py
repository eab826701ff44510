"""Finding values for the attributes that an expression misses."""

from __future__ import annotations

import re
from typing import Any

from nba_engine.domain import Change, ChangeKind, Deciding, Expression, Value
from nba_engine.domain.values import LARGEST_AMOUNT
from nba_engine.domain.words import spoken_value
from nba_engine.stages.limits import QuietClock
from nba_engine.stages.supposing import Supposed
from nba_engine.stages.wording import type_of

__all__ = ["example_of", "known_text", "supply"]

_NAME = re.compile(r"\b(customer|context)\.([A-Za-z_]\w*)(?:\[\s*[\"']([^\"']*)[\"']\s*\])?")

_EXAMPLES: dict[str, Value] = {
    "string": "text",
    "int": 1,
    "double": 1.0,
    "bool": True,
    "list<string>": ["text"],
    "list<double>": [1.0],
}


def example_of(deciding: Deciding, root: str, name: str, key: str = "") -> Value:
    """A value of the declared type of ``customer.<name>`` or ``context.<name>``; None: unknown."""
    kind = type_of(deciding.catalog, root, name)
    if kind == "timestamp":
        return deciding.now
    if kind.startswith("map<"):
        inner = kind.removesuffix(">").split(",")[1].strip()
        plain = deciding.now if inner == "timestamp" else _EXAMPLES.get(inner, 1.0)
        return {key: plain} if key else {}
    return _EXAMPLES.get(kind)


def known_text(deciding: Deciding, root: str, name: str, example: Value, key: str = "") -> str:
    """What a change says that supplies a value (of a map: for one ``key``)."""
    catalog = deciding.catalog
    kind = type_of(catalog, root, name)
    what = f"{root}.{name}"
    if key:
        what += f" of “{key}”"
        example, kind = example[key], kind.removesuffix(">").rpartition(",")[2].strip()
    return f"{what} is known, such as {spoken_value(example, kind, catalog.time_zone)}"


def supply(
    deciding: Deciding, expression: Expression, supposed: Supposed, unit: int, clock: QuietClock
) -> bool:
    """Suppose example values until the expression has a usable one; false if none is found."""
    for root, name, key in _NAME.findall(expression.text):
        if _has_value(supposed, expression):
            break
        seen: Any = (supposed.customer if root == "customer" else supposed.context).get(name)
        example = example_of(deciding, root, name, key)
        if example is None or (seen is not None and (not key or key in seen)):
            continue
        if key and seen:
            example = {**seen, **example}
        kind: ChangeKind = "attribute" if root == "customer" else "context"
        text = known_text(deciding, root, name, example, key)
        supposed.add([Change(kind=kind, target=name, value=example, text=text)])
    return supposed.settle(unit, clock) and _has_value(supposed, expression)


def _has_value(supposed: Supposed, expression: Expression) -> bool:
    value = supposed.evaluate(expression)
    return value is not None and abs(value) <= LARGEST_AMOUNT
