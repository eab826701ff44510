"""Rules → one compiled table per tier over all treatments."""

from __future__ import annotations

from nba_engine.catalog.decision_tables import DecisionTables
from nba_engine.catalog.draft import Draft
from nba_engine.catalog.findings import Entry
from nba_engine.catalog.schema import RuleEntry
from nba_engine.domain import TIERS, Action, RuleTable, Tier, Treatment, Value
from nba_engine.rules import DecisionTable, Rule, Unit, compile_table, lint, lint_table

__all__ = ["action_values", "compile_rules", "treatment_values"]


def compile_rules(draft: Draft) -> dict[Tier, RuleTable]:
    """Parse every rule, note the mistakes, and compile the tiers of what is right."""
    action_views = {id_: action_values(action) for id_, action in draft.actions.items()}
    views = [treatment_values(treatment) for treatment in draft.treatments]
    tables = DecisionTables(draft)
    bound: dict[Tier, list[list[tuple[str, Rule]]]] = {
        tier: [[] for _ in draft.treatments] for tier in TIERS
    }
    findings = draft.findings
    for entry in draft.tables.rules.values():
        table = entry.table
        place = f"{entry.place}.applies_to"
        matched = draft.matcher.match(table.applies_to, entry.file, place, findings)
        rule = _rule(draft, entry, tables)
        if rule is None or table.tier is None:
            continue
        rules_of = bound[table.tier]
        named = (entry.id, rule)
        for index in matched.tolist():
            rules_of[index].append(named)
        if isinstance(rule, DecisionTable):
            about = ((action_views[draft.treatments[i].action], views[i]) for i in matched.tolist())
            tables.check_coverage(rule, about)
    tables.check_unused()
    compiled: dict[Tier, RuleTable] = {}
    for tier, rules_of in bound.items():
        units = [
            Unit(action=action_views[treatment.action], treatment=view, rules=tuple(rules))
            for treatment, view, rules in zip(draft.treatments, views, rules_of, strict=True)
        ]
        compiled_table = compile_table(units)
        for warning in lint_table(compiled_table):
            findings.warning("catalog", f"rules ({tier})", warning.message, warning.hint)
        compiled[tier] = compiled_table
    return compiled


def _rule(draft: Draft, entry: Entry[RuleEntry], tables: DecisionTables) -> Rule | None:
    """The rule's condition, or None after its mistakes were noted."""
    table, findings = entry.table, draft.findings
    if table.when and table.table:
        message, remedy = "there is a condition in when, too", "keep one: make it two rules"
        findings.mistake(entry.file, f"{entry.place}.table", message, remedy)
        return None
    if table.table:
        return tables.read(table.table, entry.file, f"{entry.place}.table")
    if not table.when:
        if not findings.is_wrong(entry.file, f"{entry.place}.table"):
            remedy = 'write one: when = "customer.age >= 18", or table = "tables/ages.csv"'
            message = "is empty: there is no condition"
            findings.mistake(entry.file, f"{entry.place}.when", message, remedy, once=True)
        return None
    parsed = draft.expressions.rule(table.when, entry.file, f"{entry.place}.when")
    for warning in lint(parsed) if parsed is not None else ():
        where = f"{entry.place}.when:{warning.line}:{warning.column}"
        findings.warning(entry.file, where, warning.message, warning.hint)
    return parsed


def action_values(action: Action) -> dict[str, Value]:
    """What rules see as ``action``."""
    return {
        **action.attributes,
        "id": action.id,
        "name": action.name,
        "kind": action.kind,
        "group": action.group,
        "campaign": action.campaign,
        "tags": list(action.tags),
        "prior": action.prior,
    }


def treatment_values(treatment: Treatment) -> dict[str, Value]:
    """What rules see as ``treatment``."""
    return {
        **treatment.attributes,
        "id": treatment.id,
        "channel": treatment.channel,
        "cost": treatment.cost,
        "tags": list(treatment.tags),
    }
