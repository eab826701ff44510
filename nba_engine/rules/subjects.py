"""Which conjuncts a table can answer: boolean combinations of predicates on one subject.

A *subject* is an expression that a table looks up: mostly an attribute, but also
``days_since(customer.last_purchase)`` or ``customer.spend["dairy"]``. A predicate compares it
with constants. Between neighboring constants a conjunct is constant, so a few representative values
tell its truth everywhere; the tables and the search for contradictions are built on that.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Any, TypeAlias
from typing import Literal as OneOf

from nba_engine.rules.closures import Truth
from nba_engine.rules.logic import Every, Literal, Tree, kleene, literals, tree_key
from nba_engine.rules.nodes import Attribute, Node, key, walk
from nba_engine.rules.predicates import COMPARABLE, Predicate

__all__ = [
    "FAULTS",
    "Fault",
    "always_holds",
    "never_holds",
    "regions",
    "subject_of",
    "truth_at",
]

Fault: TypeAlias = OneOf["missing", "error", "other", "nan"]
FAULTS: tuple[Fault, ...] = ("missing", "error", "other", "nan")

_NUMERIC = frozenset({"int", "double", "timestamp", "duration"})


def subject_of(tree: Tree) -> Node | None:
    """The one subject of all literals, or None. ``has(a)`` goes along with a subject made of a."""
    subjects: dict[tuple[Any, ...], Node] = {}
    present: dict[tuple[Any, ...], Node] = {}
    for literal in literals(tree):
        predicate = literal.predicate
        if predicate is None:
            return None
        (present if predicate.operator == "has" else subjects)[key(predicate.subject)] = (
            predicate.subject
        )
    if len(subjects) > 1 or len(present) > 1:
        return None
    if not subjects:
        return next(iter(present.values()), None)
    subject = next(iter(subjects.values()))
    if present and set(present) != {
        key(part) for part in walk(subject) if isinstance(part, Attribute)
    }:
        return None
    return subject


def truth_at(tree: Tree, value: Any, fault: Fault | None = None) -> Truth:
    """The truth of a tree on one subject where the subject is ``value``, or has a ``fault``.

    ``missing``: its attribute is missing; ``error``: it cannot be computed; ``other``: it is of
    a type that differs from the constants'; ``nan``: it is NaN.
    """
    if not isinstance(tree, Literal):
        truths = [truth_at(part, value, fault) for part in tree.parts]
        return kleene(truths, every=isinstance(tree, Every))
    predicate = tree.predicate
    assert predicate is not None
    truth = _fault_truth(predicate, fault) if fault else _value_truth(predicate, value)
    return truth if truth is None or not tree.negated else not truth


def _fault_truth(predicate: Predicate, fault: Fault) -> Truth:
    operator = predicate.operator
    if operator == "has":
        return fault != "missing"
    if fault in {"missing", "error"} or operator in {"is", "member"}:
        return None
    if operator in {"==", "in", "!="}:
        return operator == "!="
    return False if fault == "nan" else None


def _value_truth(predicate: Predicate, value: Any) -> Truth:
    match predicate.operator:
        case "has":
            return True
        case "is":
            return bool(value)
        case "member":
            return predicate.constants[0] in value
        case "==" | "in":
            return value in predicate.constants
        case "!=":
            return value not in predicate.constants
        case "<":
            return bool(value < predicate.constants[0])
        case "<=":
            return bool(value <= predicate.constants[0])
        case ">":
            return bool(value > predicate.constants[0])
        case _:
            return bool(value >= predicate.constants[0])


def constants_of(tree: Tree) -> list[Any]:
    """The constants that split the subject's values into regions, ascending."""
    found = {constant for literal in literals(tree) for constant in _constants(literal)}
    return sorted(found)


def _constants(literal: Literal) -> tuple[Any, ...]:
    predicate = literal.predicate
    return predicate.constants if predicate is not None and predicate.operator != "member" else ()


def regions(constants: Sequence[Any], type_: str) -> list[Any]:
    """Representatives: below the first constant, on it, between it and the second, … above.

    2k + 1 values for k constants. An empty region gets a neighbor's value.
    """
    if type_ == "bool":
        return [False, True]
    if not constants:
        return [Fraction(0) if type_ in _NUMERIC else ""]
    if type_ == "string":
        texts = [""]
        for constant in constants:
            texts += [constant, constant + "\0"]
        return texts
    points = [Fraction(constant) for constant in constants]
    found = [points[0] - 1]
    for point, following in zip(points, [*points[1:], points[-1] + 2], strict=True):
        found += [point, (point + following) / 2]
    return found


def _plausible(constants: Sequence[Any], type_: str) -> Iterable[Any]:
    """The representatives that a well-typed value can take: no 17.5 for an int."""
    for value in regions(constants, type_):
        if type_ != "int" or value.denominator == 1 or not _between(constants, value):
            yield value


def _between(constants: Sequence[Any], value: Fraction) -> bool:
    """Whether ``value`` lies between two constants with no integer between them."""
    below = max((c for c in constants if c < value), default=None)
    above = min((c for c in constants if c > value), default=None)
    return below is not None and above is not None and math.floor(below) + 1 >= above


def never_holds(parts: Sequence[Tree]) -> bool:
    """Whether no well-typed customer makes all parts true, as far as single subjects tell."""
    keys = {tree_key(part) for part in parts}
    if any(
        ("is" if kind == "not" else "not", node) in keys
        for kind, *rest in keys
        if rest
        for node in rest[:1]
    ):
        return True
    by_subject: dict[tuple[Any, ...], list[Tree]] = {}
    subjects: dict[tuple[Any, ...], Node] = {}
    for part in parts:
        subject = subject_of(part)
        if subject is not None and not _has_member(part):
            by_subject.setdefault(key(subject), []).append(part)
            subjects[key(subject)] = subject
    return any(
        not _possible(subjects[name].type, Every(tuple(group)))
        for name, group in by_subject.items()
    )


def _possible(type_: str, tree: Tree) -> bool:
    scalar = type_ in COMPARABLE
    values = _plausible(constants_of(tree), type_) if scalar else ((),)
    return truth_at(tree, None, "missing") is True or any(
        truth_at(tree, value) is True for value in values
    )


def always_holds(tree: Tree) -> bool:
    """Whether a conjunct on one subject is true for everybody, missing attributes included."""
    subject = subject_of(tree)
    if subject is None or _has_member(tree):
        return False
    scalar = subject.type in COMPARABLE
    values = regions(constants_of(tree), subject.type) if scalar else [()]
    return all(truth_at(tree, None, fault) is True for fault in FAULTS) and all(
        truth_at(tree, value) is True for value in values
    )


def _has_member(tree: Tree) -> bool:
    predicates = (literal.predicate for literal in literals(tree))
    return any(predicate is not None and predicate.operator == "member" for predicate in predicates)
