"""Rules → one compiled table per tier over all treatments."""

from __future__ import annotations

from nba_engine.catalog.draft import Draft
from nba_engine.domain import TIERS, Action, RuleTable, Tier, Treatment, Value
from nba_engine.rules import ParsedRule, Unit, compile_table, lint, lint_table

__all__ = ["action_values", "compile_rules", "treatment_values"]


def compile_rules(draft: Draft) -> dict[Tier, RuleTable]:
    """Parse every rule, note the mistakes, and compile the tiers of what is right."""
    bound: dict[Tier, list[list[tuple[str, ParsedRule]]]] = {
        tier: [[] for _ in draft.treatments] for tier in TIERS
    }
    findings = draft.findings
    for entry in draft.tables.rules.values():
        table = entry.table
        place = f"{entry.place}.applies_to"
        matched = draft.matcher.match(table.applies_to, entry.file, place, findings)
        if not table.when:
            remedy = 'write a condition: when = "customer.age >= 18"'
            findings.mistake(entry.file, f"{entry.place}.when", "is empty", remedy, once=True)
            continue
        parsed = draft.expressions.rule(table.when, entry.file, f"{entry.place}.when")
        if parsed is None or table.tier is None:
            continue
        rules_of = bound[table.tier]
        named = (entry.id, parsed)
        for index in matched.tolist():
            rules_of[index].append(named)
        for warning in lint(parsed):
            where = f"{entry.place}.when:{warning.line}:{warning.column}"
            findings.warning(entry.file, where, warning.message, warning.hint)
    action_views = {id_: action_values(action) for id_, action in draft.actions.items()}
    views = [treatment_values(treatment) for treatment in draft.treatments]
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
