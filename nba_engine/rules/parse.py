"""Texts to rules and amounts: parse, check, and refuse what would be slow or pointless."""

from __future__ import annotations

import msgspec

from nba_engine.domain import Values
from nba_engine.rules.checker import check
from nba_engine.rules.closures import ValueOf, value_of
from nba_engine.rules.convert import convert
from nba_engine.rules.error import RuleError
from nba_engine.rules.fold import fold
from nba_engine.rules.logic import conjuncts, decided, is_broken, normal, source_of
from nba_engine.rules.nodes import Attribute, Call, Node, Now, paths, walk
from nba_engine.rules.rule import Clause
from nba_engine.rules.schema import Schema
from nba_engine.rules.subjects import always_holds, never_holds
from nba_engine.rules.values import Failed, moment_of

__all__ = ["ParsedNumber", "ParsedRule", "parse", "parse_number", "parse_rule"]

LONGEST_TEXT = 4_096  # bytes
MOST_NODES = 256
_REMOVE = "remove it, or the part that decides it"


class ParsedRule(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """A checked condition, ready for `compile_table`. ``paths`` are the attributes it reads."""

    text: str
    node: Node
    schema: Schema
    paths: tuple[str, ...]

    def clauses(self, action: Values, treatment: Values) -> tuple[Clause, ...]:
        """See `Rule.clauses`; each is called by its source."""
        return tuple(
            Clause(tree, source_of(tree, self.text)[1])
            for tree in conjuncts(normal(fold(self.node, action, treatment)))
        )


class ParsedNumber(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """A checked amount (int or double). ``paths`` are the attributes it reads."""

    text: str
    node: Node
    paths: tuple[str, ...]

    def bind(self, action: Values, treatment: Values) -> BoundNumber:
        """The amount for one action and treatment: a `nba_engine.domain.Expression`."""
        return BoundNumber(self.text, fold(self.node, action, treatment))


class BoundNumber:
    """An amount over the profile and the context. Thread-safe."""

    __slots__ = ("_value", "text")

    def __init__(self, text: str, node: Node) -> None:
        self.text = text
        self._value: ValueOf = value_of(node)

    def evaluate(self, customer: Values, context: Values, now: float) -> float | None:
        """The number, or None when an attribute is missing or it cannot be computed.

        A result that is not finite (a division by zero) counts as not computable.
        """
        try:
            result = self._value(customer, context, moment_of(now), None)
        except (KeyError, Failed):
            return None
        if type(result) is not float and type(result) is not int:
            return None
        number = float(result)
        return number if abs(number) < float("inf") else None


def parse(text: str, schema: Schema) -> Node:
    """A text as the engine's own tree, checked against the schema and the limits.

    Raises `RuleError`. This is all that the rest of the engine knows of the CEL library.
    """
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        message = "half a character (a surrogate without its other half)"
        raise RuleError.at(text, error.start, message, "write the whole one") from None
    if size > LONGEST_TEXT:
        raise RuleError(
            f"{size} bytes of text, {LONGEST_TEXT:,} at most", hint="split it into several rules"
        )
    if not text.strip():
        raise RuleError("the text is empty", hint="write a condition such as customer.age >= 18")
    node = convert(check(text, schema), text, schema)
    count = sum(1 for _ in walk(node))
    if count > MOST_NODES:
        raise RuleError(
            f"{count} parts, {MOST_NODES} at most", hint="split it into several rules, or use `in`"
        )
    return node


def parse_rule(text: str, schema: Schema) -> ParsedRule:
    """Parse a condition. Raises `RuleError` also for one that is the same for everybody."""
    node = parse(text, schema)
    if node.type != "bool":
        raise RuleError.at(
            text,
            node.span[0],
            f"a rule must be true or false, this is {_article(node.type)}",
            "compare it with something",
        )
    _refuse_pointless(text, node)
    return ParsedRule(text=text, node=node, schema=schema, paths=paths(node))


def parse_number(text: str, schema: Schema) -> ParsedNumber:
    """Parse an amount or value: an expression of type int or double. Raises `RuleError`."""
    node = parse(text, schema)
    if node.type not in {"int", "double"}:
        raise RuleError.at(
            text,
            node.span[0],
            f"an amount must be a number (int or double), this is {_article(node.type)}",
        )
    return ParsedNumber(text=text, node=node, paths=paths(node))


def _refuse_pointless(text: str, node: Node) -> None:
    """Raise `RuleError` for a rule that is constant or contradictory as written."""
    folded = fold(node)
    if not any(map(_varies, walk(folded))):
        raise RuleError("the rule is constant", hint="let it depend on an attribute or on now")
    tree = normal(folded)
    known = decided(tree)
    if known is not None:
        raise RuleError(f"the rule is always {str(known).lower()}", hint=_REMOVE)
    parts = conjuncts(tree)
    for part in parts:
        if is_broken(part) or never_holds((part,)):
            start, source = source_of(part, text)
            raise RuleError.at(text, start, f"'{source}' can never be true")
    if never_holds(parts):
        raise RuleError("the rule contradicts itself: it can never be true")
    if all(always_holds(part) for part in parts):
        raise RuleError("the rule is always true", hint=_REMOVE)


def _varies(node: Node) -> bool:
    return isinstance(node, Attribute | Now) or (isinstance(node, Call) and bool(node.registered))


def _article(type_: str) -> str:
    return f"{'an' if type_[0] in 'aeiou' else 'a'} {type_}"
