"""Expressions as Python closures ``f(customer, context, now, element)``.

`value_of` gives the value or raises KeyError (missing) or `Failed` (error). `truth_of` gives CEL's
three-valued logic: True, False, or None for an error; ``&&`` and ``||`` absorb errors.
``now`` is a `Timestamp`; ``element`` what that the macro around the expression looks at.
"""

# ruff: noqa: ARG001, ARG005  # all closures have the same signature

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from nba_engine.domain import Values
from nba_engine.rules import values
from nba_engine.rules.functions import call_of
from nba_engine.rules.nodes import (
    Attribute,
    Broken,
    Call,
    Const,
    Has,
    Index,
    ListOf,
    LoopVariable,
    Macro,
    Node,
    Now,
)
from nba_engine.rules.schema import element_type
from nba_engine.rules.values import Failed, Timestamp

__all__ = ["LONGEST_INPUT", "Truth", "TruthOf", "ValueOf", "truth_of", "value_of"]

LONGEST_INPUT = 1_000  # elements that a macro looks at; more is an error

Truth: TypeAlias = bool | None
ValueOf: TypeAlias = Callable[[Values, Values, Timestamp, Any], Any]
TruthOf: TypeAlias = Callable[[Values, Values, Timestamp, Any], Truth]

_LOGIC = frozenset({"&&", "||", "!"})
_COLLECTING = frozenset({"filter", "map"})


def value_of(node: Node) -> ValueOf:
    """The closure of any expression."""
    match node:
        case Const():
            constant = node.value
            return lambda c, x, n, e: constant
        case Broken():
            return _broken(missing=node.missing)
        case Attribute():
            return _attribute(node)
        case Now():
            return lambda c, x, n, e: n
        case LoopVariable():
            return lambda c, x, n, e: e
        case Index():
            return _index(node)
        case ListOf():
            elements = [value_of(element) for element in node.elements]
            return lambda c, x, n, e: [element(c, x, n, e) for element in elements]
        case Has():
            return _strict(_has(node))
        case Macro():
            return _collect(node) if node.kind in _COLLECTING else _strict(_quantify(node))
        case Call():
            return _call(node)


def _call(node: Call) -> ValueOf:
    if node.function in _LOGIC:
        return _strict(truth_of(node))
    if node.function == "?:":
        return _choose(node)
    arguments = [value_of(argument) for argument in node.arguments]
    if node.function in {"size", "in"} and node.registered is None:
        arguments[-1] = _container(node.arguments[-1])
    return call_of(node, arguments)


def _index(node: Index) -> ValueOf:
    at = value_of(node.index)
    if isinstance(node.operand, Attribute) and node.operand.type.startswith("map<"):
        return _entry(node.operand, at)
    operand = value_of(node.operand)
    return lambda c, x, n, e: values.index(operand(c, x, n, e), at(c, x, n, e))


def truth_of(node: Node) -> TruthOf:
    """The three-valued closure of a bool expression."""
    match node:
        case Call(function="&&"):
            return _all([truth_of(argument) for argument in node.arguments])
        case Call(function="||"):
            return _any([truth_of(argument) for argument in node.arguments])
        case Call(function="!"):
            return _not(truth_of(node.arguments[0]))
        case Has():
            return _has(node)
        case Macro() if node.kind not in _COLLECTING:
            return _quantify(node)
        case _:
            return _guard(value_of(node))


def _guard(value: ValueOf) -> TruthOf:
    def truth(c: Values, x: Values, n: Timestamp, e: Any) -> Truth:
        try:
            result = value(c, x, n, e)
        except (KeyError, Failed):
            return None
        return result if result is True or result is False else None

    return truth


def _strict(truth: TruthOf) -> ValueOf:
    def value(c: Values, x: Values, n: Timestamp, e: Any) -> bool:
        result = truth(c, x, n, e)
        if result is None:
            raise Failed
        return result

    return value


def _broken(*, missing: bool) -> ValueOf:
    def value(c: Values, x: Values, n: Timestamp, e: Any) -> Any:
        raise KeyError if missing else Failed

    return value


def _attribute(node: Attribute) -> ValueOf:
    name, type_, of_customer = node.name, node.type, node.root == "customer"
    exact = {"string": str, "int": int, "double": float, "bool": bool}.get(type_)
    simple = type_ in {"list<string>", "list<bool>"}

    def value(c: Values, x: Values, n: Timestamp, e: Any) -> Any:
        found = c[name] if of_customer else x[name]
        kind = type(found)
        if kind is exact or (simple and kind is list):
            return found
        return values.coerce(values.plain(found), type_)

    return value


def _entry(node: Attribute, at: ValueOf) -> ValueOf:
    """``map[key]``: only the value found is brought to its declared type, not the whole map."""
    container, element = _stored(node), element_type(node.type)

    def value(c: Values, x: Values, n: Timestamp, e: Any) -> Any:
        found = values.index(container(c, x, n, e), at(c, x, n, e))
        return None if found is None else values.coerce(values.plain(found), element)

    return value


def _stored(node: Attribute) -> ValueOf:
    """A list or map as it is stored."""
    name, of_customer = node.name, node.root == "customer"

    def value(c: Values, x: Values, n: Timestamp, e: Any) -> Any:
        found = c[name] if of_customer else x[name]
        kind = type(found)
        return found if kind is list or kind is dict else values.plain(found)

    return value


def _container(node: Node) -> ValueOf:
    """An operand whose element types do not matter: ``in`` and ``size`` compare across types."""
    if isinstance(node, Attribute) and element_type(node.type) not in {"", "timestamp"}:
        return _stored(node)
    return value_of(node)


def _has(node: Has) -> TruthOf:
    if node.field:
        field, operand = node.field, _container(node.operand)

        def has_field(c: Values, x: Values, n: Timestamp, e: Any) -> Truth:
            try:
                found = operand(c, x, n, e)
            except (KeyError, Failed):
                return None
            return field in found if type(found) is dict else None

        return has_field
    attribute = node.operand
    if isinstance(attribute, Broken):
        return lambda c, x, n, e: False
    assert isinstance(attribute, Attribute)
    name, of_customer = attribute.name, attribute.root == "customer"

    def has_attribute(c: Values, x: Values, n: Timestamp, e: Any) -> Truth:
        try:
            return (c[name] if of_customer else x[name]) is not None
        except KeyError:
            return False

    return has_attribute


def _not(truth: TruthOf) -> TruthOf:
    def negated(c: Values, x: Values, n: Timestamp, e: Any) -> Truth:
        result = truth(c, x, n, e)
        return None if result is None else not result

    return negated


def _all(parts: list[TruthOf]) -> TruthOf:
    def truth(c: Values, x: Values, n: Timestamp, e: Any) -> Truth:
        result: Truth = True
        for part in parts:
            found = part(c, x, n, e)
            if found is False:
                return False
            if found is None:
                result = None
        return result

    return truth


def _any(parts: list[TruthOf]) -> TruthOf:
    def truth(c: Values, x: Values, n: Timestamp, e: Any) -> Truth:
        result: Truth = False
        for part in parts:
            found = part(c, x, n, e)
            if found is True:
                return True
            if found is None:
                result = None
        return result

    return truth


def _choose(node: Call) -> ValueOf:
    condition = truth_of(node.arguments[0])
    yes, no = value_of(node.arguments[1]), value_of(node.arguments[2])

    def value(c: Values, x: Values, n: Timestamp, e: Any) -> Any:
        chosen = condition(c, x, n, e)
        if chosen is None:
            raise Failed
        return yes(c, x, n, e) if chosen else no(c, x, n, e)

    return value


def _elements(node: Macro) -> ValueOf:
    source = value_of(node.range)

    def value(c: Values, x: Values, n: Timestamp, e: Any) -> list[Any]:
        found = source(c, x, n, e)
        if type(found) not in {list, dict} or len(found) > LONGEST_INPUT:
            raise Failed
        return list(found)

    return value


def _quantify(node: Macro) -> TruthOf:
    assert node.predicate is not None
    elements, predicate, kind = _elements(node), truth_of(node.predicate), node.kind
    decisive = kind != "all"  # exists: one true decides; all: one false decides

    def truth(c: Values, x: Values, n: Timestamp, e: Any) -> Truth:
        try:
            found = [predicate(c, x, n, element) for element in elements(c, x, n, e)]
        except (KeyError, Failed):
            return None
        if kind == "exists_one":
            return None if None in found else found.count(True) == 1
        if decisive in found:
            return decisive
        return None if None in found else not decisive

    return truth


def _collect(node: Macro) -> ValueOf:
    elements = _elements(node)
    predicate = None if node.predicate is None else truth_of(node.predicate)
    transform = None if node.transform is None else value_of(node.transform)

    def value(c: Values, x: Values, n: Timestamp, e: Any) -> list[Any]:
        result = []
        for element in elements(c, x, n, e):
            kept = True if predicate is None else predicate(c, x, n, element)
            if kept is None:
                raise Failed
            if kept:
                result.append(element if transform is None else transform(c, x, n, element))
        return result

    return value
