"""All rules of many units compiled into one table: `failing` asks each subject once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from nba_engine.domain import FailedConjunct, Values
from nba_engine.rules.access import LookUp, look_up, look_up_entries
from nba_engine.rules.closures import TruthOf
from nba_engine.rules.explain import explain
from nba_engine.rules.fold import fold
from nba_engine.rules.logic import (
    Tree,
    conjuncts,
    decided,
    is_broken,
    literals,
    normal,
    tree_key,
    truth_of_tree,
)
from nba_engine.rules.members import build_members, is_membership
from nba_engine.rules.nodes import Attribute, Const, Index, Node, Now, key, walk
from nba_engine.rules.parse import ParsedRule
from nba_engine.rules.subjects import subject_of
from nba_engine.rules.values import Timestamp, moment_of

__all__ = ["CompiledTable", "Unit", "compile_table"]

_ANY_TIME = Timestamp(0)  # for what does not look at the clock
_SCALARS = frozenset({"string", "int", "double", "bool", "timestamp", "duration"})


class Unit(msgspec.Struct, frozen=True, kw_only=True):
    """What one bit stands for (a treatment): catalog attributes, and rules by name."""

    action: Values
    treatment: Values
    rules: tuple[tuple[str, ParsedRule], ...]


_Closures = list[tuple[TruthOf, int]]


class _Half(msgspec.Struct):
    """The customer half may be cached per profile version; the other half reads context or now."""

    look_ups: list[LookUp]
    closures: _Closures

    def failing(self, customer: Values, context: Values, now: Timestamp) -> int:
        bits = 0
        for ask in self.look_ups:
            bits |= ask(customer, context, now)
        for holds, mask in self.closures:
            if holds(customer, context, now, None) is not True:
                bits |= mask
        return bits


class CompiledTable:
    """Implements `nba_engine.domain.RuleTable`. Immutable, thread-safe."""

    def __init__(
        self,
        units: Sequence[tuple[tuple[str, ParsedRule, tuple[Tree, ...]], ...]],
        always: int,
        customer_half: _Half,
        context_half: _Half,
    ) -> None:
        self._units = units
        self._always = always
        self._customer_half = customer_half
        self._context_half = context_half
        self._reads_context = bool(context_half.look_ups or context_half.closures)

    def failing(self, customer: Values, context: Values, now: float) -> int:
        """The bitset of units with a rule that does not definitely hold (see the protocol)."""
        bits = self._always | self._customer_half.failing(customer, context, _ANY_TIME)
        if self._reads_context:
            bits |= self._context_half.failing(customer, context, moment_of(now))
        return bits

    def failing_customer(self, customer: Values) -> int:
        """The half of `failing` that depends on the customer only: cacheable per version."""
        return self._always | self._customer_half.failing(customer, {}, _ANY_TIME)

    def failing_context(self, customer: Values, context: Values, now: float) -> int:
        """The other half: together with `failing_customer` it gives `failing`."""
        return self._context_half.failing(customer, context, moment_of(now))

    def explain(
        self, unit: int, customer: Values, context: Values, now: float
    ) -> Sequence[FailedConjunct]:
        """Every conjunct of this unit's rules that does not hold; empty when eligible."""
        return tuple(
            failed
            for name, rule, trees in self._units[unit]
            for tree in trees
            if (failed := explain(name, rule, tree, customer, context, now)) is not None
        )

    @property
    def unindexed(self) -> int:
        """How many distinct conjuncts no table answers: each is evaluated on its own per call."""
        return len(self._customer_half.closures) + len(self._context_half.closures)


def compile_table(units: Iterable[Unit]) -> CompiledTable:
    """Compile the rules of all units. Bit i of the answers stands for the i-th unit."""
    folder = _Folder()
    explained = []
    always: list[int] = []
    members: dict[tuple[Any, ...], tuple[Tree, list[int]]] = {}
    count = 0
    for number, unit in enumerate(units):
        count = number + 1
        parts = []
        for name, rule in unit.rules:
            trees, keys = folder.conjuncts(rule, unit)
            parts.append((name, rule, trees))
            for tree, tree_id in zip(trees, keys, strict=True):
                if decided(tree) is False or is_broken(tree):
                    always.append(number)
                else:
                    members.setdefault(tree_id, (tree, []))[1].append(number)
        explained.append(tuple(parts))
    masked = [(tree, _mask(numbers, count)) for tree, numbers in members.values()]
    return CompiledTable(tuple(explained), _mask(always, count), *_halves(masked))


class _Folder:
    """Folds each rule once per combination of the catalog attributes it reads."""

    def __init__(self) -> None:
        self._known: dict[Any, tuple[tuple[Tree, ...], tuple[Any, ...]]] = {}

    def conjuncts(self, rule: ParsedRule, unit: Unit) -> tuple[tuple[Tree, ...], tuple[Any, ...]]:
        reads = []
        for path in rule.paths:
            root, _, name = path.partition(".")
            if root in {"action", "treatment"}:
                source = unit.action if root == "action" else unit.treatment
                try:
                    reads.append(repr(source[name]))
                except KeyError:
                    reads.append("")
        identity = (id(rule), *reads)
        if identity not in self._known:
            trees = conjuncts(normal(fold(rule.node, unit.action, unit.treatment)))
            self._known[identity] = trees, tuple(tree_key(tree) for tree in trees)
        return self._known[identity]


def _mask(numbers: Sequence[int], count: int) -> int:
    if len(numbers) == 1:
        return 1 << numbers[0]
    bits = bytearray(count // 8 + 1)
    for number in numbers:
        bits[number >> 3] |= 1 << (number & 7)
    return int.from_bytes(bits, "little")


def _halves(masked: Sequence[tuple[Tree, int]]) -> tuple[_Half, _Half]:
    halves = (_Half([], []), _Half([], []))
    groups: dict[Any, tuple[Node, list[tuple[Tree, int]]]] = {}
    for tree, mask in masked:
        subject = subject_of(tree)
        if subject is not None and (subject.type in _SCALARS or _is_list(subject, tree)):
            groups.setdefault(key(subject), (subject, []))[1].append((tree, mask))
        else:
            half = halves[any(_in_context(literal.node) for literal in literals(tree))]
            half.closures.append((truth_of_tree(tree), mask))
    entries: dict[str, dict[str, tuple[Index, list[tuple[Tree, int]]]]] = {}
    for subject, group in groups.values():
        half = halves[_in_context(subject)]
        match subject:
            case Index(operand=Attribute(path=path), index=Const(value=str() as name)):
                entries.setdefault(path, {})[name] = (subject, group)
                continue
        if subject.type in _SCALARS:
            half.look_ups.append(look_up(subject, group))
        else:
            assert isinstance(subject, Attribute)
            half.look_ups.append(build_members(subject, group))
    for by_name in entries.values():
        subject = next(iter(by_name.values()))[0]
        assert isinstance(subject.operand, Attribute)
        by_key = {name: group for name, (_, group) in by_name.items()}
        half = halves[_in_context(subject)]
        half.look_ups.append(look_up_entries(subject.operand, subject.type, by_key))
    return halves


def _is_list(subject: Node, tree: Tree) -> bool:
    return isinstance(subject, Attribute) and is_membership(tree)


def _in_context(node: Node) -> bool:
    for part in walk(node):
        if isinstance(part, Now) or (isinstance(part, Attribute) and part.root != "customer"):
            return True
        registered = getattr(part, "registered", None)
        if registered is not None and registered.needs_now:
            return True
    return False
