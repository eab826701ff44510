"""Tables of fail-bitsets: one lookup per subject answers all conjuncts on it.

Conjuncts come with the bitset of the units they belong to. `build_answers` makes the table of one
subject; `nba_engine.rules.access` fetches the subject's value for it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias, TypeVar

import msgspec

from nba_engine.rules.logic import Tree, literals
from nba_engine.rules.subjects import FAULTS, Fault, constants_of, regions, truth_at
from nba_engine.rules.values import Duration, Timestamp

__all__ = ["Answers", "Conjuncts", "build_answers", "layers"]

Conjuncts: TypeAlias = Sequence[tuple[Tree, int]]
_T = TypeVar("_T")
_ORDERING = frozenset({"<", "<=", ">", ">="})
_UNLIKE = object()  # equals no constant: 1e300 + 1 would, being 1e300


def _failing(conjuncts: Conjuncts, value: Any, fault: Fault | None = None) -> int:
    bits = 0
    for tree, mask in conjuncts:
        if truth_at(tree, value, fault) is not True:
            bits |= mask
    return bits


def layers(masked: Iterable[tuple[_T, int]]) -> list[list[tuple[_T, int]]]:
    """Things in layers of disjoint bitsets, so that XOR switches them on and off."""
    layers: list[list[tuple[_T, int]]] = []
    taken: list[int] = []
    for thing, mask in masked:
        for number, used in enumerate(taken):
            if not used & mask:
                layers[number].append((thing, mask))
                taken[number] |= mask
                break
        else:
            layers.append([(thing, mask)])
            taken.append(mask)
    return layers


class Answers(msgspec.Struct, frozen=True, eq=False):
    """Which units fail: ``at`` a value of the subject's type (times in nanoseconds), or by fault."""

    at: Callable[[Any], int]
    missing: int
    error: int
    other: int
    nan: int


def build_answers(type_: str, conjuncts: Conjuncts) -> Answers:
    """The table over a subject of type string, number, bool, timestamp or duration."""
    faults = [_failing(conjuncts, None, fault) for fault in FAULTS]
    if type_ == "bool":
        by_truth = {value: _failing(conjuncts, value) for value in (False, True)}
        return Answers(by_truth.__getitem__, *faults)
    operators = {
        test.operator
        for tree, _ in conjuncts
        for literal in literals(tree)
        if (test := literal.predicate) is not None
    }
    answer = _ranges(type_, conjuncts) if operators & _ORDERING else _values(conjuncts)
    return Answers(answer, *faults)


def _ranges(type_: str, conjuncts: Conjuncts) -> Callable[[Any], int]:
    constants = sorted({c for tree, _ in conjuncts for c in constants_of(tree)})
    position = {constant: number for number, constant in enumerate(constants)}
    totals = [0] * (2 * len(constants) + 1)
    for layer in layers(conjuncts):
        switches = [0] * len(totals)
        for tree, mask in layer:
            own = constants_of(tree)
            fails = [truth_at(tree, value) is not True for value in regions(own, type_)]
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

    return answer


def _values(conjuncts: Conjuncts) -> Callable[[Any], int]:
    totals: dict[Any, int] = {c: 0 for tree, _ in conjuncts for c in constants_of(tree)}
    default = 0
    for layer in layers(conjuncts):
        elsewhere, switches = 0, dict.fromkeys(totals, 0)
        for tree, mask in layer:
            own = constants_of(tree)
            fails = truth_at(tree, _UNLIKE) is not True
            if fails:
                elsewhere |= mask
            for constant in own:
                if (truth_at(tree, constant) is not True) is not fails:
                    switches[constant] ^= mask
        default |= elsewhere
        for constant, switch in switches.items():
            totals[constant] |= elsewhere ^ switch
    find = totals.get
    return lambda value: find(value, default)
