"""All rules of many units compiled into one table: `failing` asks each subject once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeAlias

import msgspec

from nba_engine.domain import FailedConjunct, Values
from nba_engine.rules.explain import explain
from nba_engine.rules.halves import Half, halves
from nba_engine.rules.logic import Tree, conjuncts, decided, is_broken, tree_key
from nba_engine.rules.rule import Clause, Rule
from nba_engine.rules.values import Timestamp, moment_of

__all__ = ["CompiledTable", "Unit", "compile_table"]

_ANY_TIME = Timestamp(0)  # for what does not look at the clock


class Unit(msgspec.Struct, frozen=True, kw_only=True):
    """What one bit stands for (a treatment): catalog attributes, and rules by name."""

    action: Values
    treatment: Values
    rules: tuple[tuple[str, Rule], ...]


_Part: TypeAlias = tuple[str, Rule, tuple[Clause, ...]]


class CompiledTable:
    """Implements `nba_engine.domain.RuleTable`. Immutable, thread-safe."""

    def __init__(
        self,
        units: Sequence[_Explained],
        always: int,
        customer_half: Half,
        context_half: Half,
    ) -> None:
        self._units = units
        self._always = always
        self._customer_half = customer_half
        self._context_half = context_half
        self._reads_customer, self._reads_context = (
            bool(half.look_ups or half.closures) for half in (customer_half, context_half)
        )

    def failing(self, customer: Values, context: Values, now: float) -> int:
        """The bitset of units with a rule that does not definitely hold (see the protocol)."""
        bits = self._always
        if self._reads_customer:
            bits |= self._customer_half.failing(customer, context, _ANY_TIME)
        half = self._context_half
        if self._reads_context:
            moment = moment_of(now) if half.timed else _ANY_TIME
            bits |= half.failing(customer, context, moment)
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
            for name, rule, clauses in self._units[unit].parts()
            for clause in clauses
            if (failed := explain(name, rule.schema, clause, customer, context, now)) is not None
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
        reading: list[tuple[str, Rule]] = []
        everyone = _mask(numbers, len(self.units))
        for name, rule in self.units[numbers[0]].rules:
            if _reads_catalog(rule):
                shared.append(None)
                reading.append((name, rule))
                continue
            clauses, trees = self._folder.clauses(rule, self.units[numbers[0]])
            shared.append((name, rule, clauses))
            for tree_id, tree in trees:
                if _never_holds(tree):
                    self._always |= everyone
                else:
                    before = self._masks.get(tree_id, (tree, 0))
                    self._masks[tree_id] = before[0], before[1] | everyone
        explained = _Explained(tuple(shared))
        for number in numbers:
            own = self._own(number, reading) if reading else ()
            self._explained[number] = _Explained(explained.shared, own) if own else explained

    def _own(self, number: int, rules: Sequence[tuple[str, Rule]]) -> tuple[_Part, ...]:
        """Fold the rules that read the catalog for one unit."""
        parts = []
        for name, rule in rules:
            clauses, trees = self._folder.clauses(rule, self.units[number])
            parts.append((name, rule, clauses))
            for tree_id, tree in trees:
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
        return CompiledTable(explained, always, *halves(list(masks.values())))


def _never_holds(tree: Tree) -> bool:
    return decided(tree) is False or is_broken(tree)


def _reads_catalog(rule: Rule) -> bool:
    return any(path.startswith(("action.", "treatment.")) for path in rule.paths)


_Folded: TypeAlias = tuple[tuple[Clause, ...], tuple[tuple[Any, Tree], ...]]


class _Folder:
    """Folds each rule once per combination of the catalog attributes it reads."""

    def __init__(self) -> None:
        self._known: dict[Any, _Folded] = {}

    def clauses(self, rule: Rule, unit: Unit) -> _Folded:
        """The rule's clauses for a unit, and the conjuncts in them, each with its key."""
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
            clauses = rule.clauses(unit.action, unit.treatment)
            trees = (tree for clause in clauses for tree in conjuncts(clause.tree))
            self._known[identity] = clauses, tuple((tree_key(tree), tree) for tree in trees)
        return self._known[identity]


def _mask(numbers: Sequence[int], count: int) -> int:
    if len(numbers) == 1:
        return 1 << numbers[0]
    bits = bytearray(count // 8 + 1)
    for number in numbers:
        bits[number >> 3] |= 1 << (number & 7)
    return int.from_bytes(bits, "little")
