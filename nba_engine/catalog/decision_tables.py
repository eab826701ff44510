"""The decision tables of a catalog: files that rules name, each read and checked once."""

from __future__ import annotations

from collections.abc import Iterable

from nba_engine.catalog.draft import Draft
from nba_engine.catalog.read import is_table
from nba_engine.domain import Values
from nba_engine.rules import (
    DecisionTable,
    TableError,
    TableMistake,
    lint_coverage,
    lint_decision_table,
    parse_table,
)
from nba_engine.settings import suggest

__all__ = ["DecisionTables"]


class DecisionTables:
    """Reads decision tables; what is wrong or odd in them is noted with row and column."""

    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self._known: dict[str, DecisionTable | None] = {}

    def read(self, name: str, file: str, place: str) -> DecisionTable | None:
        """The table in a file of the catalog, or None after the mistakes were noted.

        ``file`` and ``place`` are where a rule names it.
        """
        if name not in self._known:
            text = self._draft.files.get(name) if is_table(name) else None
            if text is None:
                self._missing(name, file, place)
                return None
            self._known[name] = self._parse(name, text)
        return self._known[name]

    def check_coverage(self, table: DecisionTable, about: Iterable[tuple[Values, Values]]) -> None:
        """Note what a table has no row for, of the actions and treatments its rule is about."""
        findings = self._draft.findings
        if not findings.mistakes:  # what there is of actions may be a consequence
            self._warn(table.file, lint_coverage(table, about))

    def check_unused(self) -> None:
        """Note tables that no rule names."""
        for name in self._draft.files:
            if is_table(name) and name not in self._known:
                self._draft.findings.warning(name, "1:", "no rule uses this table", "remove it")

    def _missing(self, name: str, file: str, place: str) -> None:
        findings = self._draft.findings
        if not is_table(name):
            message = f"{name!r} is not the name of a decision table"
            findings.mistake(file, place, message, 'name a file ending in .csv: "tables/ages.csv"')
            return
        known = [other for other in self._draft.files if is_table(other)]
        remedy = suggest(name, known, "*.csv files in the catalog's folder")
        findings.missing(file, place, f"the catalog has no file {name!r}", remedy)

    def _parse(self, name: str, text: str) -> DecisionTable | None:
        expressions, findings = self._draft.expressions, self._draft.findings
        try:
            table = parse_table(text, expressions.schema, file=name)
        except TableError as error:
            for wrong in error.wrong:
                if wrong.column and expressions.uses_broken(wrong.column):
                    continue  # what is wrong with the attribute is told already
                note = findings.missing if wrong.undeclared else findings.mistake
                note(name, f"{wrong.line}:{wrong.column}", wrong.message, wrong.hint)
            return None
        self._warn(name, lint_decision_table(table))
        return table

    def _warn(self, name: str, warnings: Iterable[TableMistake]) -> None:
        for found in warnings:
            place = f"{found.line}:{found.column}"
            self._draft.findings.warning(name, place, found.message, found.hint)
