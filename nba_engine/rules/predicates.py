"""Predicates that tables can look up: a subject compared with constants, membership, presence."""

from __future__ import annotations

import math
from typing import Any, TypeAlias
from typing import Literal as OneOf

import msgspec

from nba_engine.rules.nodes import Attribute, Call, Const, Has, Index, Node
from nba_engine.rules.schema import element_type
from nba_engine.rules.values import Duration, Timestamp

__all__ = ["COMPARABLE", "Predicate", "predicate_of"]

Operator: TypeAlias = OneOf["==", "!=", "<", "<=", ">", ">=", "in", "is", "member", "has"]

_FLIPPED = {"==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
_COMPARING = frozenset({*_FLIPPED, "in"})
COMPARABLE: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "int": (int, float),
    "double": (int, float),
    "bool": (bool,),
    "timestamp": (Timestamp,),
    "duration": (Duration,),
}


class Predicate(msgspec.Struct, frozen=True, eq=False):
    """``subject operator constants``; ``member`` is ``constant in subject``, ``is`` the bool itself."""

    subject: Node
    operator: Operator
    constants: tuple[Any, ...] = ()


def predicate_of(node: Node) -> Predicate | None:
    """The predicate that a bool expression is, if it is one that tables can look up."""
    match node:
        case Has(operand=Attribute() as attribute, field=""):
            return Predicate(attribute, "has")
        case Attribute() | Index() if node.type == "bool":
            return Predicate(node, "is")
        case Call(function="in", arguments=(Const() as constant, Attribute() as subject)):
            return _member(subject, constant.value)
        case Call(function="in", arguments=(subject, Const(value=list() as constants))):
            return _comparison(subject, "in", constants)
        case Call(function=operator, arguments=(subject, Const() as constant)):
            return _comparison(subject, operator, [constant.value])
        case Call(function=operator, arguments=(Const() as constant, subject)):
            return _comparison(subject, _FLIPPED.get(operator, ""), [constant.value])
    return None


def _comparison(subject: Node, operator: str, constants: list[Any]) -> Predicate | None:
    if isinstance(subject, Const) or operator not in _COMPARING:
        return None
    kinds = COMPARABLE.get(subject.type)
    if kinds is None or not all(type(c) in kinds and _finite(c) for c in constants):
        return None
    return Predicate(subject, operator, tuple(constants))  # type: ignore[arg-type]


def _member(subject: Attribute, element: Any) -> Predicate | None:
    inner = element_type(subject.type)
    kinds = (str,) if subject.type.startswith("map<") or inner == "string" else COMPARABLE[inner]
    if inner not in {"string", "int", "double"} and not subject.type.startswith("map<"):
        return None
    return (
        Predicate(subject, "member", (element,))
        if type(element) in kinds and _finite(element)
        else None
    )


def _finite(value: Any) -> bool:
    return not isinstance(value, float) or math.isfinite(value)
