"""Why a conjunct did not hold: its text, what it saw, and what would make it hold."""

from __future__ import annotations

from nba_engine.domain import FailedConjunct, Value, Values
from nba_engine.rules.changes import find_changes
from nba_engine.rules.closures import value_of
from nba_engine.rules.logic import Tree, literals, truth_of_tree
from nba_engine.rules.nodes import Attribute, Broken, Call, Const, Index, Node, Now, children, walk
from nba_engine.rules.rule import Clause
from nba_engine.rules.schema import Schema
from nba_engine.rules.values import Failed, Timestamp, moment_of

__all__ = ["explain"]

HIDDEN = "(sensitive)"


def explain(
    name: str, schema: Schema, clause: Clause, customer: Values, context: Values, now: float
) -> FailedConjunct | None:
    """The failed conjunct, or None when it holds."""
    tree = clause.tree
    moment = moment_of(now)
    truth = truth_of_tree(tree)(customer, context, moment, None)
    if truth is True:
        return None
    saw, missing = _saw(schema, tree, customer, context, now)
    status = "false" if truth is False else "missing" if missing else "error"
    return FailedConjunct(
        rule=name,
        text=clause.text,
        status=status,  # type: ignore[arg-type]
        saw=saw,
        changes=find_changes(tree, schema, customer, context, now),
    )


def _saw(
    schema: Schema, tree: Tree, customer: Values, context: Values, now: float
) -> tuple[dict[str, Value], bool]:
    """The values by path (None: missing), and whether something was missing."""
    seen = _Seen(schema, customer, context, now)
    for literal in literals(tree):
        seen.look_at(literal.node)
    return seen.saw, seen.missing or _lacks_key(tree, customer, context, moment_of(now))


class _Seen:
    def __init__(self, schema: Schema, customer: Values, context: Values, now: float) -> None:
        self.schema = schema
        self.customer = customer
        self.context = context
        self.now = now
        self.saw: dict[str, Value] = {}
        self.missing = False

    def look_at(self, node: Node) -> None:
        """Add what a node read."""
        match node:
            case Index(operand=Attribute() as attribute, index=Const(value=str() as name)):
                found = _get(
                    self.customer if attribute.root == "customer" else self.context, attribute.name
                )
                entry = found.get(name) if isinstance(found, dict) else None
                self.add(f"{attribute.path}.{name}", entry, hidden=self.hides(attribute.path))
            case Attribute():
                found = _get(self.customer if node.root == "customer" else self.context, node.name)
                self.add(node.path, found, hidden=self.hides(node.path))
                return
            case Const() | Broken():
                for path, value in node.origins:
                    self.add(path, _plain(value), hidden=self.hides(path))
                return
            case Now():
                self.saw["now"] = self.now
            case Call(registered=function) if function is not None and function.needs_now:
                self.saw["now"] = self.now
        for child in children(node):
            if not (
                isinstance(node, Index) and child is node.operand and isinstance(child, Attribute)
            ):
                self.look_at(child)

    def hides(self, path: str) -> bool:
        return self.schema.is_sensitive(path)

    def add(self, path: str, value: Value, *, hidden: bool) -> None:
        self.missing = self.missing or value is None
        self.saw[path] = HIDDEN if hidden and value is not None else value


def _get(values: Values, name: str) -> Value:
    try:
        return values[name]
    except KeyError:
        return None


def _plain(value: Value) -> Value:
    return int(value) / 1e9 if type(value) is Timestamp else value


def _lacks_key(tree: Tree, customer: Values, context: Values, now: Timestamp) -> bool:
    """Whether some part asks a map for a key that it does not have."""
    return any(
        _is_missing(part, customer, context, now)
        for lit in literals(tree)
        for part in walk(lit.node)
    )


def _is_missing(node: Node, customer: Values, context: Values, now: Timestamp) -> bool:
    try:
        value_of(node)(customer, context, now, None)
    except KeyError:
        return True
    except Failed:
        return False
    return False
