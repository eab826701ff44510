"""Conjuncts and the units they are about → look-ups: by subject, by alternatives, one by one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from nba_engine.domain import Values
from nba_engine.rules.access import LookUp, look_up, look_up_entries
from nba_engine.rules.closures import TruthOf
from nba_engine.rules.logic import Some, Tree, conjuncts, literals, tree_key, truth_of_tree
from nba_engine.rules.members import build_members, is_membership
from nba_engine.rules.nodes import Attribute, Const, Index, Node, Now, key, walk
from nba_engine.rules.subjects import subject_of
from nba_engine.rules.values import Timestamp

__all__ = ["Half", "halves"]

_SCALARS = frozenset({"string", "int", "double", "bool", "timestamp", "duration"})

Masked = Sequence[tuple[Tree, int]]


class Half(msgspec.Struct):
    """The customer half may be cached per profile version; the other half reads context or now.

    ``timed``: whether anything in it reads now.
    """

    look_ups: list[LookUp]
    closures: list[tuple[TruthOf, int]]
    timed: bool = False

    def failing(self, customer: Values, context: Values, now: Timestamp) -> int:
        """The bitset of units with a conjunct that is not definitely true."""
        bits = 0
        for ask in self.look_ups:
            bits |= ask(customer, context, now)
        for holds, mask in self.closures:
            if holds(customer, context, now, None) is not True:
                bits |= mask
        return bits


def halves(masked: Masked) -> tuple[Half, Half]:
    """The half that reads the customer only, and the half that reads context or the clock."""
    sides: tuple[list[tuple[Tree, int]], list[tuple[Tree, int]]] = ([], [])
    for tree, mask in masked:
        sides[any(_in_context(literal.node) for literal in literals(tree))].append((tree, mask))
    customer, context = (_half(side) for side in sides)
    context.timed = any(_timed(one.node) for tree, _ in sides[1] for one in literals(tree))
    return customer, context


def _half(masked: Masked) -> Half:
    groups: dict[Any, tuple[Node, list[tuple[Tree, int]]]] = {}
    tables: list[tuple[Some, int]] = []
    others: list[tuple[Tree, int]] = []
    for tree, mask in masked:
        subject = _looked_up(tree)
        if subject is not None:
            groups.setdefault(key(subject), (subject, []))[1].append((tree, mask))
        elif isinstance(tree, Some) and _is_table(tree):
            tables.append((tree, mask))
        else:
            others.append((tree, mask))
    look_ups = _by_subject(groups.values())
    if tables:
        look_ups.append(_by_alternatives(tables))
    return Half(look_ups, [(truth_of_tree(tree), mask) for tree, mask in others])


def _by_subject(groups: Iterable[tuple[Node, list[tuple[Tree, int]]]]) -> list[LookUp]:
    """One look-up per subject, and one per map for all its keys."""
    look_ups: list[LookUp] = []
    entries: dict[str, dict[str, tuple[Index, list[tuple[Tree, int]]]]] = {}
    for subject, group in groups:
        match subject:
            case Index(operand=Attribute(path=path), index=Const(value=str() as name)):
                entries.setdefault(path, {})[name] = (subject, group)
                continue
        if subject.type in _SCALARS:
            look_ups.append(look_up(subject, group))
        else:
            assert isinstance(subject, Attribute)
            look_ups.append(build_members(subject, group))
    for by_name in entries.values():
        subject = next(iter(by_name.values()))[0]
        assert isinstance(subject.operand, Attribute)
        by_key = {name: group for name, (_, group) in by_name.items()}
        look_ups.append(look_up_entries(subject.operand, subject.type, by_key))
    return look_ups


def _by_alternatives(somes: Sequence[tuple[Some, int]]) -> LookUp:
    """ORs across subjects: their parts are rows, and a look-up per subject tells which rows fail.

    An OR fails where all its rows do. So many rows over few subjects cost a look-up per subject.
    """
    rows: dict[Any, int] = {}  # row → its bit
    masks: dict[Any, tuple[Tree, int]] = {}  # conjunct → rows it belongs to
    wanted: list[tuple[int, int]] = []  # all rows of an OR, and the units it is about
    for some, units in somes:
        alternatives = 0
        for part in some.parts:
            name = tree_key(part)
            if name not in rows:
                rows[name] = 1 << len(rows)
                for conjunct in conjuncts(part):
                    before = masks.get(tree_key(conjunct), (conjunct, 0))
                    masks[tree_key(conjunct)] = before[0], before[1] | rows[name]
            alternatives |= rows[name]
        wanted.append((alternatives, units))
    failing_rows = _half(list(masks.values())).failing

    def look_up_rows(c: Values, x: Values, n: Timestamp) -> int:
        failing = failing_rows(c, x, n)
        bits = 0
        for alternatives, units in wanted:
            if failing & alternatives == alternatives:
                bits |= units
        return bits

    return look_up_rows


def _looked_up(tree: Tree) -> Node | None:
    """The subject whose table answers the tree, or None."""
    subject = subject_of(tree)
    if subject is None or subject.type in _SCALARS:
        return subject
    return subject if isinstance(subject, Attribute) and is_membership(tree) else None


def _is_table(some: Some) -> bool:
    return all(_looked_up(c) is not None for part in some.parts for c in conjuncts(part))


def _in_context(node: Node) -> bool:
    return _timed(node) or any(
        isinstance(part, Attribute) and part.root != "customer" for part in walk(node)
    )


def _timed(node: Node) -> bool:
    return any(
        isinstance(part, Now)
        or ((registered := getattr(part, "registered", None)) is not None and registered.needs_now)
        for part in walk(node)
    )
