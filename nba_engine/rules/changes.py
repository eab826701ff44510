"""What would have to change for a conjunct to hold. Every proposal is tried out before it is made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from nba_engine.domain import Change, Value, Values
from nba_engine.domain.words import spoken_time, spoken_value
from nba_engine.rules.closures import value_of
from nba_engine.rules.functions import fits
from nba_engine.rules.logic import Every, Literal, Some, Tree, literals, truth_of_tree
from nba_engine.rules.logic import literal as make
from nba_engine.rules.nodes import Attribute, Call, Const, Index, Node, Now, key, walk
from nba_engine.rules.proposals import examples, moments, near, scalar_values
from nba_engine.rules.schema import Schema, element_type
from nba_engine.rules.subjects import subject_of
from nba_engine.rules.values import Failed, moment_of, timestamp

__all__ = ["apply_changes", "find_changes"]

_CONSENTS = "customer.consents"
_WEIGHED = 32  # alternatives that are compared by how much would have to change


class _Overlay(Mapping[str, Value]):
    """Values with some replaced; None reads as missing."""

    def __init__(self, base: Values, changed: Mapping[str, Value]) -> None:
        self._base = base
        self._changed = changed

    def __getitem__(self, name: str) -> Value:
        return self._changed[name] if name in self._changed else self._base[name]

    def __iter__(self) -> Iterator[str]:
        return iter({**dict.fromkeys(self._base), **self._changed})

    def __len__(self) -> int:
        return len({**dict.fromkeys(self._base), **self._changed})


def apply_changes(
    changes: Sequence[Change], customer: Values, context: Values, now: float
) -> tuple[Values, Values, float]:
    """Customer, context and time as they would be; kinds that rules cannot see are ignored."""
    of_customer: dict[str, Value] = {}
    of_context: dict[str, Value] = {}
    for change in changes:
        if change.kind == "attribute":
            of_customer[change.target] = change.value
        elif change.kind == "context":
            of_context[change.target] = change.value
        elif change.kind == "time":
            now = float(change.value)
        elif change.kind == "consent":
            given = of_customer.get("consents", _get(customer, "consents"))
            kept = given if isinstance(given, list) else []
            of_customer["consents"] = [*kept, change.target]
    return _Overlay(customer, of_customer), _Overlay(context, of_context), now


def find_changes(
    tree: Tree, schema: Schema, customer: Values, context: Values, now: float
) -> tuple[Change, ...]:
    """Changes that together make the tree hold, () when none are known."""
    return _Search(schema, customer, context, now).changes(tree)


class _Search:
    def __init__(self, schema: Schema, customer: Values, context: Values, now: float) -> None:
        self.schema = schema
        self.customer = customer
        self.context = context
        self.now = now

    def changes(self, tree: Tree) -> tuple[Change, ...]:
        """The first proposal that makes the tree hold."""
        for proposal in self.proposals(tree):
            if self.holds(tree, proposal):
                return proposal
        return ()

    def holds(self, tree: Tree, changes: Sequence[Change]) -> bool:
        customer, context, now = apply_changes(changes, self.customer, self.context, self.now)
        try:
            moment = timestamp(now)
        except Failed:
            return False
        return truth_of_tree(tree)(customer, context, moment, None) is True

    def proposals(self, tree: Tree) -> Iterator[tuple[Change, ...]]:
        subject = subject_of(tree)
        if subject is not None:
            yield from self.on_subject(subject, tree)
        if isinstance(tree, Some):
            first = [self.changes(part) for part in tree.parts[:_WEIGHED]]
            yield from sorted((changes for changes in first if changes), key=len)
            for part in tree.parts[_WEIGHED:]:
                yield from self.proposals(part)
        elif isinstance(tree, Every):
            parts = _by_subject(tree.parts)
            needed = [self.changes(part) for part in parts if not self.holds(part, ())]
            if all(needed):
                yield tuple(change for changes in needed for change in changes)
        elif subject is None:
            yield from self.on_literal(tree)

    def on_literal(self, literal: Literal) -> Iterator[tuple[Change, ...]]:
        """A literal that no table answers: fix one side, or try plausible values."""
        node = literal.node
        if isinstance(node, Call) and len(node.arguments) == 2:
            for fixed in (1, 0):
                known = self.constant(node.arguments[fixed])
                if known is not None:
                    sides = list(node.arguments)
                    sides[fixed] = known
                    call = msgspec.structs.replace(node, arguments=tuple(sides))
                    fixed_literal = make(call, negated=literal.negated)
                    if fixed_literal.predicate is not None:
                        yield from self.proposals(fixed_literal)
        yield from self.tried(node)

    def constant(self, node: Node) -> Const | None:
        """What a side of a comparison is now."""
        if isinstance(node, Const):
            return None
        try:
            value = value_of(node)(self.customer, self.context, moment_of(self.now), None)
        except (KeyError, Failed):
            return None
        if not fits(value, node.type):
            return None
        return Const(type=node.type, span=node.span, value=value)

    def on_subject(self, subject: Node, tree: Tree) -> Iterator[tuple[Change, ...]]:
        match subject:
            case Attribute() if element_type(subject.type):
                yield from self.of_container(subject, tree)
            case Attribute():
                current = self.current(subject)
                for value in near(scalar_values(tree, subject.type), current, subject.type):
                    yield (self.change(subject, value),)
                yield (self.change(subject, None),)
            case Index(operand=Attribute() as container, index=Const(value=str() as name)):
                entries = self.entries(container)
                for value in near(
                    scalar_values(tree, subject.type), entries.get(name), subject.type
                ):
                    change = self.change(container, {**entries, name: value})
                    wanted = self.shown(value, subject.type)
                    text = f'{container.path}["{name}"] would have to be {wanted}'
                    yield (msgspec.structs.replace(change, text=text),)
            case _:
                yield from self.tried(subject, tree)

    def tried(self, node: Node, tree: Tree | None = None) -> Iterator[tuple[Change, ...]]:
        """Other times, then other values of the attributes that the node reads."""
        if _reads_now(node):
            for moment in moments(
                self.now, lambda at: tree is not None and self.holds(tree, (self.at(at),))
            ):
                yield (self.at(moment),)
        for attribute in (part for part in walk(node) if isinstance(part, Attribute)):
            for value in examples(node, attribute.type, self.now):
                yield (self.change(attribute, value),)

    def of_container(self, subject: Attribute, tree: Tree) -> Iterator[tuple[Change, ...]]:
        """Elements put in or taken out."""
        is_map = subject.type.startswith("map<")
        entries, elements = self.entries(subject), self.elements(subject)
        for literal in literals(tree):
            test = literal.predicate
            assert test is not None
            if test.operator == "has":
                empty: Value = {} if is_map else []
                yield (self.change(subject, None if literal.negated else empty),)
                continue
            element = test.constants[0]
            if literal.negated:
                if is_map:
                    kept: Value = {name: v for name, v in entries.items() if name != element}
                else:
                    kept = [other for other in elements if other != element]
                yield (self.change(subject, kept),)
            elif subject.path == _CONSENTS:
                text = f'consent "{element}" would have to be given'
                yield (Change(kind="consent", target=str(element), text=text),)
            elif is_map:
                value = examples(subject, element_type(subject.type), self.now)[0]
                yield (self.change(subject, {**entries, element: value}),)
            else:
                yield (self.change(subject, [*elements, element]),)

    def entries(self, node: Attribute) -> dict[str, Value]:
        """The map as it is; empty when it must not be shown."""
        found = self.current(node)
        hidden = self.schema.is_sensitive(node.path)
        return dict(found) if isinstance(found, dict) and not hidden else {}

    def elements(self, node: Attribute) -> list[Value]:
        found = self.current(node)
        hidden = self.schema.is_sensitive(node.path)
        return list(found) if isinstance(found, list | tuple) and not hidden else []

    def current(self, node: Attribute) -> Value:
        return _get(self.customer if node.root == "customer" else self.context, node.name)

    def change(self, node: Attribute, value: Value) -> Change:
        current = self.current(node)
        seen = f" (it is {self.shown(current, node.type)})"
        if self.schema.is_sensitive(node.path) and current is not None:
            seen = ""
        wanted = "absent" if value is None else self.shown(value, node.type)
        return Change(
            kind="attribute" if node.root == "customer" else "context",
            target=node.name,
            value=value,
            text=f"{node.path} would have to be {wanted}{seen}",
        )

    def at(self, moment: float) -> Change:
        text = f"decide at {spoken_time(moment, self.schema.time_zone)} or later"
        return Change(kind="time", value=moment, text=text)

    def shown(self, value: Value, type_: str) -> str:
        return spoken_value(value, type_, self.schema.time_zone, exact=True)


def _by_subject(parts: Sequence[Tree]) -> Sequence[Tree]:
    """Parts on the same subject joined, so that one change serves them all."""
    groups: dict[object, list[Tree]] = {}
    for part in parts:
        subject = subject_of(part)
        groups.setdefault(part if subject is None else key(subject), []).append(part)
    if len(groups) == 1:  # on one subject: no change serves them all, one for each might
        return parts
    return [group[0] if len(group) == 1 else Every(tuple(group)) for group in groups.values()]


def _get(values: Values, name: str) -> Value:
    try:
        return values[name]
    except KeyError:
        return None


def _reads_now(node: Node) -> bool:
    return any(
        isinstance(part, Now)
        or (isinstance(part, Call) and part.registered is not None and part.registered.needs_now)
        for part in walk(node)
    )
