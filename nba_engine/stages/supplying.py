"""Finding values for the attributes that an expression misses."""

from __future__ import annotations

import re
from typing import Any

from nba_engine.domain import Change, ChangeKind, Deciding, Expression, Value
from nba_engine.domain.values import LARGEST_AMOUNT
from nba_engine.stages.supposing import Supposed
from nba_engine.stages.windows import QuietClock

__all__ = ["example_of", "supply"]

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
    catalog = deciding.catalog
    declared = (catalog.attributes if root == "customer" else catalog.context).get(name)
    kind = declared.type if declared is not None else _aggregate(deciding, name)
    if kind == "timestamp":
        return deciding.now
    if kind.startswith("map<"):
        inner = kind.removesuffix(">").split(",")[1].strip()
        plain = deciding.now if inner == "timestamp" else _EXAMPLES[inner]
        return {key: plain} if key else {}
    return _EXAMPLES.get(kind)


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
        text = f"{root}.{name} is known, such as {example}"
        supposed.add([Change(kind=kind, target=name, value=example, text=text)])
    return supposed.settle(unit, clock) and _has_value(supposed, expression)


def _has_value(supposed: Supposed, expression: Expression) -> bool:
    value = supposed.evaluate(expression)
    return value is not None and abs(value) <= LARGEST_AMOUNT


def _aggregate(deciding: Deciding, name: str) -> str:
    spec = deciding.catalog.aggregates.get(name)
    if spec is None:
        return ""
    if spec.kind == "set":
        return "list<string>"
    inner = {"count": "int", "first": "timestamp", "last": "timestamp"}.get(spec.kind, "double")
    return f"map<string,{inner}>" if spec.by else inner
