"""Tables of fail-bitsets: one lookup per subject answers all conjuncts on it.

Each ``build_…`` takes conjuncts on one subject, each with the bitset of the units it belongs to,
and returns a function ``(customer, context, now) → bitset of units that fail``.
"""

# ruff: noqa: ARG001  # all look-ups have the same signature

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from nba_engine.domain import Values
from nba_engine.rules.closures import value_of
from nba_engine.rules.logic import Tree, literals
from nba_engine.rules.nodes import Attribute, Node, walk
from nba_engine.rules.subjects import FAULTS, Fault, constants_of, regions, truth_at
from nba_engine.rules.values import (
    AFTER_LAST_SECOND,
    FIRST_SECOND,
    Duration,
    Failed,
    Timestamp,
    plain,
)

__all__ = ["Conjuncts", "LookUp", "build_scalar", "layers"]

Conjuncts: TypeAlias = Sequence[tuple[Tree, int]]
LookUp: TypeAlias = Callable[[Values, Values, Timestamp], int]
_ORDERING = frozenset({"<", "<=", ">", ">="})


def _failing(conjuncts: Conjuncts, value: Any, fault: Fault | None = None) -> int:
    bits = 0
    for tree, mask in conjuncts:
        if truth_at(tree, value, fault) is not True:
            bits |= mask
    return bits


def layers(conjuncts: Conjuncts) -> list[list[tuple[Tree, int]]]:
    """Conjuncts in layers of disjoint bitsets, so that XOR switches them on and off."""
    layers: list[list[tuple[Tree, int]]] = []
    taken: list[int] = []
    for tree, mask in conjuncts:
        for number, used in enumerate(taken):
            if not used & mask:
                layers[number].append((tree, mask))
                taken[number] |= mask
                break
        else:
            layers.append([(tree, mask)])
            taken.append(mask)
    return layers


def build_scalar(subject: Node, conjuncts: Conjuncts) -> LookUp:
    """A table over a subject of type string, number, bool, timestamp or duration."""
    faults = {fault: _failing(conjuncts, None, fault) for fault in FAULTS}
    if subject.type == "bool":
        answers = {value: _failing(conjuncts, value) for value in (False, True)}
        return _with_access(subject, faults, answers.__getitem__)
    operators = {
        test.operator
        for tree, _ in conjuncts
        for literal in literals(tree)
        if (test := literal.predicate) is not None
    }
    if operators & _ORDERING:
        return _ranges(subject, faults, conjuncts)
    return _values(subject, faults, conjuncts)


def _ranges(subject: Node, faults: dict[Fault, int], conjuncts: Conjuncts) -> LookUp:
    constants = sorted({c for tree, _ in conjuncts for c in constants_of(tree)})
    position = {constant: number for number, constant in enumerate(constants)}
    totals = [0] * (2 * len(constants) + 1)
    for layer in layers(conjuncts):
        switches = [0] * len(totals)
        for tree, mask in layer:
            own = constants_of(tree)
            fails = [truth_at(tree, value) is not True for value in regions(own, subject.type)]
            starts = [0]
            for constant in own:
                starts += [2 * position[constant] + 1, 2 * position[constant] + 2]
            before = False
            for start, failing in zip(starts, fails, strict=True):
                if failing is not before:
                    switches[start] ^= mask
                    before = failing
        current = 0
        for number, switch in enumerate(switches):
            if switch:
                current ^= switch
            totals[number] |= current
    at, between = totals[1::2], totals[::2]
    keys = [
        int(constant) if type(constant) in {Timestamp, Duration} else constant
        for constant in constants
    ]
    count = len(keys)

    def answer(value: Any) -> int:
        found = bisect_left(keys, value)
        if found < count and keys[found] == value:
            return at[found]
        return between[found]

    return _with_access(subject, faults, answer)


def _values(subject: Node, faults: dict[Fault, int], conjuncts: Conjuncts) -> LookUp:
    totals: dict[Any, int] = {c: 0 for tree, _ in conjuncts for c in constants_of(tree)}
    default = 0
    for layer in layers(conjuncts):
        elsewhere, switches = 0, dict.fromkeys(totals, 0)
        for tree, mask in layer:
            own = constants_of(tree)
            fails = truth_at(tree, _unlike(own)) is not True
            if fails:
                elsewhere |= mask
            for constant in own:
                if (truth_at(tree, constant) is not True) is not fails:
                    switches[constant] ^= mask
        default |= elsewhere
        for constant, switch in switches.items():
            totals[constant] |= elsewhere ^ switch
    find = totals.get
    return _with_access(subject, faults, lambda value: find(value, default))


def _unlike(constants: Sequence[Any]) -> Any:
    """A value of the constants' type that is none of them."""
    if not constants or isinstance(constants[0], str):
        return max(constants, default="") + "\0"
    return constants[-1] + 1


_KINDS: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "int": (int, float),
    "double": (float, int),
    "bool": (bool,),
    "timestamp": (Timestamp,),
    "duration": (Duration,),
}


def _with_access(subject: Node, faults: dict[Fault, int], answer: Callable[[Any], int]) -> LookUp:
    """Fetch the subject, sort out its faults, look up the rest."""
    missing, error, other, nan = (faults[fault] for fault in FAULTS)
    first, *more = _KINDS[subject.type]
    second = more[0] if more else first

    def classified(value: Any) -> int:
        kind = type(value)
        if kind is first or kind is second:
            return answer(value) if value == value else nan  # noqa: PLR0124  # NaN, fastest
        return other

    if not isinstance(subject, Attribute):
        compute = value_of(subject)
        roots = [value_of(part) for part in _attributes(subject)]

        def computed(c: Values, x: Values, n: Timestamp) -> int:
            try:
                value = compute(c, x, n, None)
            except (KeyError, Failed):
                return error if missing == error or _all_present(roots, c, x, n) else missing
            return classified(value)

        return computed

    name, of_customer, is_time = (
        subject.name,
        subject.root == "customer",
        subject.type == "timestamp",
    )

    def unusual(value: Any) -> int:
        if value is None:
            return missing
        if is_time and (type(value) is int or type(value) is float):
            if FIRST_SECOND <= value < AFTER_LAST_SECOND:
                return answer(round(value * 1e6) * 1000)
            return other
        value = plain(value)
        return unusual(value) if is_time and type(value) is float else classified(value)

    def direct(c: Values, x: Values, n: Timestamp) -> int:
        try:
            value = c[name] if of_customer else x[name]
        except KeyError:
            return missing
        kind = type(value)
        if kind is first or kind is second:
            return answer(value) if value == value else nan  # noqa: PLR0124  # NaN, fastest
        return unusual(value)

    return direct


def _attributes(subject: Node) -> list[Attribute]:
    return [part for part in walk(subject) if isinstance(part, Attribute)]


def _all_present(roots: Sequence[Callable[..., Any]], c: Values, x: Values, n: Timestamp) -> bool:
    try:
        for root in roots:
            root(c, x, n, None)
    except KeyError:
        return False
    return True
