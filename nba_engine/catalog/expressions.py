"""Rules and amounts of a catalog: each distinct text is parsed once, mistakes get their place."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TypeVar

from nba_engine.catalog.attributes import ACTION_NAMES, TREATMENT_NAMES
from nba_engine.catalog.declare import Declared
from nba_engine.catalog.findings import Findings
from nba_engine.domain import RuleFunction
from nba_engine.rules import ParsedNumber, ParsedRule, RuleError, Schema, parse_number, parse_rule

__all__ = ["Expressions"]

P = TypeVar("P")


class Expressions:
    """Parses against the three schemas of a catalog.

    Rules see customer, context, action and treatment; the value of an action sees no treatment;
    the amount of a limit sees the customer only.
    """

    def __init__(
        self,
        declared: Declared,
        *,
        action_types: Mapping[str, str],
        treatment_types: Mapping[str, str],
        broken: frozenset[str],
        functions: Mapping[str, RuleFunction],
        findings: Findings,
        time_zone: str = "UTC",
    ) -> None:
        self._findings = findings
        self.broken = declared.broken | broken
        self._rules: dict[str, ParsedRule | RuleError] = {}
        self._values: dict[str, ParsedNumber | RuleError] = {}
        self._amounts: dict[str, ParsedNumber | RuleError] = {}

        def schema(*roots: str) -> Schema:
            types = {
                "context": declared.context_types,
                "action": {**ACTION_NAMES, **action_types},
                "treatment": {**TREATMENT_NAMES, **treatment_types},
            }
            seen = {root: types[root] if root in roots else {} for root in types}
            return Schema(
                customer=declared.customer_types,
                functions=functions,
                sensitive=declared.sensitive,
                always=declared.always,
                time_zone=time_zone,
                **seen,
            )

        self.schema = schema("context", "action", "treatment")
        self._value_schema = schema("context", "action")
        self._amount_schema = schema()

    def rule(self, text: str, file: str, place: str) -> ParsedRule | None:
        """A rule, or None after its mistake was noted."""
        return self._parse(
            text, lambda: parse_rule(text, self.schema), self._rules, file=file, place=place
        )

    def value(self, text: str, file: str, place: str) -> ParsedNumber | None:
        """The value of an action, to be bound to it."""
        return self._parse(
            text,
            lambda: parse_number(text, self._value_schema),
            self._values,
            file=file,
            place=place,
        )

    def amount(self, text: str, file: str, place: str) -> ParsedNumber | None:
        """The amount of a limit per customer."""
        return self._parse(
            text,
            lambda: parse_number(text, self._amount_schema),
            self._amounts,
            file=file,
            place=place,
        )

    def _parse(
        self,
        text: str,
        parse: Callable[[], P],
        known: dict[str, P | RuleError],
        *,
        file: str,
        place: str,
    ) -> P | None:
        if text not in known:
            try:
                known[text] = parse()
            except RuleError as error:
                known[text] = error
        found = known[text]
        if not isinstance(found, RuleError):
            return found
        if not self.uses_broken(text):
            for wrong in (found, *found.more):
                undeclared = wrong.message.startswith("undefined field")
                note = self._findings.missing if undeclared else self._findings.mistake
                note(file, f"{place}:{wrong.line}:{wrong.column}", wrong.message, wrong.hint)
        return None

    def uses_broken(self, text: str) -> bool:
        """Whether it uses what was declared with mistakes: those are reported already."""
        return any(re.search(rf"\b{re.escape(name)}\b", text) for name in self.broken)
