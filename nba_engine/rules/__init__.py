"""CEL rules: parse, check, compile to bitset tables, explain. Knows nothing of marketing."""

from nba_engine.rules.changes import apply_changes
from nba_engine.rules.decision_tables import (
    DecisionTable,
    TableError,
    TableMistake,
    lint_coverage,
    lint_decision_table,
    parse_table,
)
from nba_engine.rules.error import RuleError
from nba_engine.rules.lint import RuleWarning, lint, lint_table
from nba_engine.rules.parse import BoundNumber, ParsedNumber, ParsedRule, parse_number, parse_rule
from nba_engine.rules.rule import Rule
from nba_engine.rules.schema import Schema
from nba_engine.rules.table import CompiledTable, Unit, compile_table

__all__ = [
    "BoundNumber",
    "CompiledTable",
    "DecisionTable",
    "ParsedNumber",
    "ParsedRule",
    "Rule",
    "RuleError",
    "RuleWarning",
    "Schema",
    "TableError",
    "TableMistake",
    "Unit",
    "apply_changes",
    "compile_table",
    "lint",
    "lint_coverage",
    "lint_decision_table",
    "lint_table",
    "parse_number",
    "parse_rule",
    "parse_table",
]
