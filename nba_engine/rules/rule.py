"""What a rule is to the tables of rules: something that folds to conjuncts, each with its words."""

from __future__ import annotations

from typing import Protocol

import msgspec

from nba_engine.domain import Values
from nba_engine.rules.logic import Tree
from nba_engine.rules.schema import Schema

__all__ = ["Clause", "Rule"]


class Clause(msgspec.Struct, frozen=True, eq=False):
    """A conjunct, and what explanations call it."""

    tree: Tree
    text: str


class Rule(Protocol):
    """A checked condition: a text in CEL, or a decision table. Immutable."""

    @property
    def schema(self) -> Schema: ...
    @property
    def paths(self) -> tuple[str, ...]:
        """The attributes it reads, such as ``customer.age``."""

    def clauses(self, action: Values, treatment: Values) -> tuple[Clause, ...]:
        """Its conjuncts for one action and treatment; a constant true one is left out."""
