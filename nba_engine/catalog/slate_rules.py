"""``[slate_rules.<id>]``: checks, and which treatments they are about."""

from __future__ import annotations

from nba_engine.catalog.draft import Draft
from nba_engine.catalog.findings import Entry
from nba_engine.catalog.schema import Selector
from nba_engine.catalog.slate_schema import SlateRuleEntry
from nba_engine.domain import SlateRule

__all__ = ["make_slate_rules"]

_MOST = 100  # each has a code of one byte in the decision log, beside the stage's other reasons
_KINDS = ("at_most", "never_beside", "not_after")


def make_slate_rules(draft: Draft) -> tuple[SlateRule, ...]:
    """The rules about what stands beside what, and after what, in their order."""
    findings = draft.findings
    entries = list(draft.tables.slate_rules.values())
    if len(entries) > _MOST:
        message, remedy = f"{len(entries)} slate rules", f"write {_MOST} at most"
        findings.mistake(entries[_MOST].file, entries[_MOST].place, message, remedy)
    return tuple(_make(draft, entry) for entry in entries)


def _make(draft: Draft, entry: Entry[SlateRuleEntry]) -> SlateRule:
    table, findings = entry.table, draft.findings
    told = findings.is_wrong(entry.file, entry.place)
    given = [kind for kind in _KINDS if getattr(table, kind) is not None]
    if len(given) != 1 and not told:
        message = "says nothing" if not given else f"says {' and '.join(given)} at once"
        remedy = f"write one of {', '.join(_KINDS)}; another rule is another table"
        findings.mistake(entry.file, entry.place, message, remedy)
    if (table.not_after is None) != (table.within == 0.0) and not told:
        remedy = 'write both: not_after = { … } and within = "7d"'
        findings.mistake(entry.file, entry.place, "not_after and within go together", remedy)
    if table.per == "placement" and table.at_most is None and not told:
        message = "per is about at_most, which is not there"
        findings.mistake(entry.file, f"{entry.place}.per", message, "remove per, or add at_most")
    if table.not_after is not None:
        _check_contacted(draft, entry)
    after = _matched(draft, entry, "not_after", table.not_after)
    return SlateRule(
        id=entry.id,
        name=table.name or entry.id,
        treatments=_matched(draft, entry, "applies_to", table.applies_to),
        at_most=table.at_most or 0,
        per=table.per,
        beside=_matched(draft, entry, "never_beside", table.never_beside),
        after=frozenset(draft.treatments[index].action for index in after),
        within=table.within,
        contacted="" if table.not_after is None else table.contacted,
    )


def _check_contacted(draft: Draft, entry: Entry[SlateRuleEntry]) -> None:
    """There must be an aggregate that knows when an action was shown."""
    name = entry.table.contacted
    place = f"{entry.place}.contacted"
    found = draft.tables.aggregates.get(name)
    if found is None:
        remedy = (
            f'add [aggregates.{name}] with kind = "last", types = ["impression"], by = "action"'
        )
        message = f"no aggregate {name!r} tells when an action was shown"
        draft.findings.missing(entry.file, place, message, remedy)
    elif (found.table.kind, found.table.by, found.table.property) != ("last", "action", ""):
        message = f"the aggregate {name!r} does not tell when an action was shown"
        remedy = 'it needs kind = "last" and by = "action", without property'
        draft.findings.mistake(entry.file, place, message, remedy)


def _matched(
    draft: Draft, entry: Entry[SlateRuleEntry], key: str, selector: Selector | None
) -> tuple[int, ...]:
    if selector is None:
        return ()
    place = f"{entry.place}.{key}"
    return tuple(draft.matcher.match(selector, entry.file, place, draft.findings).tolist())
