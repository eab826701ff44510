"""Warnings about rules that are right but may not mean what they say."""

from __future__ import annotations

import msgspec

from nba_engine.rules.fold import fold
from nba_engine.rules.logic import Literal, literals, normal
from nba_engine.rules.nodes import Attribute, Call, Has
from nba_engine.rules.parse import ParsedRule
from nba_engine.rules.table import CompiledTable

__all__ = ["MOST_UNINDEXED", "RuleWarning", "lint", "lint_table"]

MOST_UNINDEXED = 500


class RuleWarning(msgspec.Struct, frozen=True, kw_only=True):
    """A sentence, its place in the text (from 1), and what to write instead."""

    message: str
    line: int = 1
    column: int = 1
    hint: str = ""


def lint(rule: ParsedRule) -> tuple[RuleWarning, ...]:
    """Comparisons by ``!=`` with an attribute that may be missing: missing is not "different"."""
    tree = normal(fold(rule.node))
    guarded = {
        literal.node.operand.path
        for literal in literals(tree)
        if isinstance(literal.node, Has) and isinstance(literal.node.operand, Attribute)
    }
    found = []
    for literal in literals(tree):
        attribute = _unlike(literal)
        if attribute is None or attribute.path in guarded | rule.schema.always:
            continue
        start, end = literal.node.span
        before = rule.text[:start]
        text = rule.text[start:end]
        wanted = f"!({text})" if literal.negated else text
        found.append(
            RuleWarning(
                message=f"'{wanted}' does not hold while {attribute.path} is missing",
                line=before.count("\n") + 1,
                column=start - (before.rfind("\n") + 1) + 1,
                hint=f"if missing should do, write !has({attribute.path}) || {wanted}",
            )
        )
    return tuple(found)


def lint_table(table: CompiledTable) -> tuple[RuleWarning, ...]:
    """A warning when many conjuncts are beyond the tables: each is evaluated on its own."""
    if table.unindexed <= MOST_UNINDEXED:
        return ()
    return (
        RuleWarning(
            message=f"{table.unindexed} conditions cannot be looked up and are evaluated one by one",
            hint=f"more than {MOST_UNINDEXED} slow every decision down; compare single attributes"
            " with constants",
        ),
    )


def _unlike(literal: Literal) -> Attribute | None:
    """The attribute of ``a != "x"``, ``!(a == "x")``, ``!(a in [..])`` and ``!("x" in a)``."""
    node = literal.node
    if not isinstance(node, Call):
        return None
    if (node.function == "!=") is literal.negated or node.function not in {"==", "!=", "in"}:
        return None
    sides = [part for part in node.arguments if isinstance(part, Attribute)]
    return next((part for part in sides if part.root in {"customer", "context"}), None)
