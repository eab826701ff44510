"""Tables of memberships: ``"x" in customer.consents`` for all rules at once, lists and map keys."""

# ruff: noqa: ARG001  # all look-ups have the same signature

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from nba_engine.domain import Values
from nba_engine.rules.access import LookUp
from nba_engine.rules.logic import Literal, Some, Tree, literals
from nba_engine.rules.nodes import Attribute
from nba_engine.rules.subjects import truth_at
from nba_engine.rules.tables import Conjuncts, layers
from nba_engine.rules.values import Timestamp, plain

__all__ = ["build_members", "is_membership"]


class _Form(msgspec.Struct, frozen=True, eq=False):
    """A conjunct on a list that is there: which elements would fulfil it, which one breaks it."""

    wanted: tuple[Any, ...] = ()
    unwanted: tuple[Any, ...] = ()
    always: bool = False


def _form(tree: Tree) -> _Form | None:
    """None: no table can answer it (``!("a" in l) || "b" in l``)."""
    if not isinstance(tree, Literal | Some) or (
        isinstance(tree, Some) and not all(isinstance(part, Literal) for part in tree.parts)
    ):
        return None
    wanted: list[Any] = []
    unwanted: list[Any] = []
    for literal in literals(tree):
        test = literal.predicate
        if test is None or test.operator not in {"member", "has"}:
            return None
        if test.operator == "has":
            if not literal.negated:
                return _Form(always=True)
        else:
            (unwanted if literal.negated else wanted).append(test.constants[0])
    if len(unwanted) + bool(wanted) > 1:
        return None
    return _Form(tuple(wanted), tuple(unwanted))


def is_membership(tree: Tree) -> bool:
    """Whether `build_members` can answer the conjunct."""
    return _form(tree) is not None


def build_members(subject: Attribute, conjuncts: Conjuncts) -> LookUp:
    """A table over a list or map attribute."""
    missing = other = 0
    for tree, mask in conjuncts:
        missing |= mask if truth_at(tree, None, "missing") is not True else 0
        other |= mask if truth_at(tree, None, "other") is not True else 0
    answer, numbers = _answer(conjuncts)
    name, of_customer = subject.name, subject.root == "customer"

    def look_up(c: Values, x: Values, n: Timestamp) -> int:
        try:
            value = c[name] if of_customer else x[name]
        except KeyError:
            return missing
        kind = type(value)
        if kind is not list and kind is not dict:
            if value is None:
                return missing
            value = plain(value)
            kind = type(value)
        if kind is dict:
            return answer(value.keys())
        if kind is not list:
            return other
        if numbers:  # true equals 1 in Python, not in CEL
            value = [element for element in value if type(element) is int or type(element) is float]
        try:
            return answer(value)
        except TypeError:  # an element that cannot be hashed equals no constant
            return answer([element for element in value if element.__hash__ is not None])

    return look_up


def _answer(conjuncts: Conjuncts) -> tuple[Callable[[Iterable[Any]], int], bool]:
    """Elements that are there → failing units; and whether the constants are numbers."""
    forms = [(form, tree, mask) for tree, mask in conjuncts if (form := _form(tree)) is not None]
    wanted_by = {id(tree): form.wanted for form, tree, _ in forms}
    breaks: dict[Any, int] = {}
    for form, _, mask in forms:
        for element in form.unwanted:
            breaks[element] = breaks.get(element, 0) | mask
    fulfil: list[tuple[int, dict[Any, int]]] = []  # per layer: all of it, and by element
    wanted = [(tree, mask) for form, tree, mask in forms if not form.always and not form.unwanted]
    for layer in layers(wanted):
        by_element: dict[Any, int] = {}
        everything = 0
        for tree, mask in layer:
            everything |= mask
            for element in wanted_by[id(tree)]:
                by_element[element] = by_element.get(element, 0) | mask
        fulfil.append((everything, by_element))
    known = dict.fromkeys([*breaks, *(e for _, found in fulfil for e in found)])

    def answer(elements: Iterable[Any]) -> int:
        bits = 0
        present = known.keys() & elements
        for element in present:
            bits |= breaks.get(element, 0)
        for everything, by_element in fulfil:
            cleared = 0
            for element in present:
                cleared |= by_element.get(element, 0)
            bits |= everything ^ cleared
        return bits

    return answer, any(isinstance(element, int | float) for element in known)
