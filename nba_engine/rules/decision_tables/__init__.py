"""Decision tables: CSV texts as rules, compiled to the same conjuncts as rules in CEL."""

from nba_engine.rules.decision_tables.lint import lint_coverage, lint_decision_table
from nba_engine.rules.decision_tables.parse import parse_table
from nba_engine.rules.decision_tables.sheet import TableError, TableMistake
from nba_engine.rules.decision_tables.table import DecisionTable

__all__ = [
    "DecisionTable",
    "TableError",
    "TableMistake",
    "lint_coverage",
    "lint_decision_table",
    "parse_table",
]
