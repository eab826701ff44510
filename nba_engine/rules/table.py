"""All rules of many units compiled into one table: `failing` asks each subject once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
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
_Part = tuple[str, ParsedRule, tuple[Tree, ...]]


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
        units: Sequence[_Explained],
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
            for name, rule, trees in self._units[unit].parts()
            for tree in trees
            if (failed := explain(name, rule, tree, customer, context, now)) is not None
        )

    @property
    def unindexed(self) -> int:
        """How many distinct conjuncts no table answers: each is evaluated on its own per call."""
        return len(self._customer_half.closures) + len(self._context_half.closures)


class _Explained(msgspec.Struct):
    """The rules of a unit, folded. ``shared`` has None where a rule is folded for this unit."""

    shared: tuple[_Part | None, ...]
    own: tuple[_Part, ...] = ()

    def parts(self) -> Iterator[_Part]:
        own = iter(self.own)
        for part in self.shared:
            yield next(own) if part is None else part


def compile_table(units: Iterable[Unit]) -> CompiledTable:
    """Compile the rules of all units. Bit i of the answers stands for the i-th unit.

    Units with the same rules are compiled together: only rules that read the catalog are looked
    at once per unit.
    """
    compiling = _Compiling(tuple(units))
    groups: dict[tuple[int, ...], list[int]] = {}
    for number, unit in enumerate(compiling.units):
        groups.setdefault(tuple(map(id, unit.rules)), []).append(number)
    for numbers in groups.values():
        compiling.add(numbers)
    return compiling.table()


class _Compiling:
    """Gathers conjuncts and the units they are about."""

    def __init__(self, units: Sequence[Unit]) -> None:
        self.units = units
        self._folder = _Folder()
        self._explained: dict[int, _Explained] = {}
        self._always = 0
        self._broken: list[int] = []  # units that one of their own rules always fails
        self._members: dict[tuple[Any, ...], tuple[Tree, list[int]]] = {}
        self._masks: dict[tuple[Any, ...], tuple[Tree, int]] = {}

    def add(self, numbers: Sequence[int]) -> None:
        """Add units that have the very same rules."""
        shared: list[_Part | None] = []
        reading: list[tuple[str, ParsedRule]] = []
        everyone = _mask(numbers, len(self.units))
        for name, rule in self.units[numbers[0]].rules:
            if _reads_catalog(rule):
                shared.append(None)
                reading.append((name, rule))
                continue
            trees, keys = self._folder.conjuncts(rule, self.units[numbers[0]])
            shared.append((name, rule, trees))
            for tree, tree_id in zip(trees, keys, strict=True):
                if _never_holds(tree):
                    self._always |= everyone
                else:
                    before = self._masks.get(tree_id, (tree, 0))
                    self._masks[tree_id] = before[0], before[1] | everyone
        explained = _Explained(tuple(shared))
        for number in numbers:
            own = self._own(number, reading) if reading else ()
            self._explained[number] = _Explained(explained.shared, own) if own else explained

    def _own(self, number: int, rules: Sequence[tuple[str, ParsedRule]]) -> tuple[_Part, ...]:
        """Fold the rules that read the catalog for one unit."""
        parts = []
        for name, rule in rules:
            trees, keys = self._folder.conjuncts(rule, self.units[number])
            parts.append((name, rule, trees))
            for tree, tree_id in zip(trees, keys, strict=True):
                if _never_holds(tree):
                    self._broken.append(number)
                else:
                    self._members.setdefault(tree_id, (tree, []))[1].append(number)
        return tuple(parts)

    def table(self) -> CompiledTable:
        """All of it as lookups and closures."""
        count = len(self.units)
        masks = dict(self._masks)
        for tree_id, (tree, numbers) in self._members.items():
            before = masks.get(tree_id, (tree, 0))
            masks[tree_id] = before[0], before[1] | _mask(numbers, count)
        explained = [self._explained[number] for number in range(count)]
        always = self._always | _mask(self._broken, count)
        return CompiledTable(explained, always, *_halves(list(masks.values())))


def _never_holds(tree: Tree) -> bool:
    return decided(tree) is False or is_broken(tree)


def _reads_catalog(rule: ParsedRule) -> bool:
    return any(path.startswith(("action.", "treatment.")) for path in rule.paths)


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
