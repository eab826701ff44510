"""``[contact_plan]``: checks, and the domain's word for it."""

from __future__ import annotations

from collections.abc import Mapping

from nba_engine.catalog.contact_plan_schema import ContactPlanEntry
from nba_engine.catalog.draft import Draft
from nba_engine.catalog.findings import Entry, Findings
from nba_engine.domain import (
    ChannelSpec,
    ContactPlanSpec,
    ContactPlanTerms,
    Expression,
    Placement,
)
from nba_engine.settings import suggest

__all__ = ["make_contact_plan"]


def make_contact_plan(
    draft: Draft, channels: Mapping[str, ChannelSpec], placements: Mapping[str, Placement]
) -> ContactPlanSpec | None:
    """What the catalog says of it; None: nothing, and nothing is planned."""
    entry, findings = draft.tables.contact_plan, draft.findings
    if not entry.file:
        return None
    table = entry.table
    told = findings.is_wrong(entry.file, entry.place)
    if not table.period > 0.0 and not told:
        message, remedy = "a period has a length", 'write for example "7d"'
        findings.mistake(entry.file, f"{entry.place}.period", message, remedy)
    terms = ContactPlanTerms(
        period=table.period,
        periods=table.periods,
        most_contacts=table.most_contacts,
        spacing=table.spacing,
        diminishing=table.diminishing,
        placements=_placements(entry, channels, placements, findings),
    )
    return ContactPlanSpec(terms=terms, budget=_budget(draft), only_planned=table.only_planned)


def _placements(
    entry: Entry[ContactPlanEntry],
    channels: Mapping[str, ChannelSpec],
    placements: Mapping[str, Placement],
    findings: Findings,
) -> tuple[str, ...]:
    """Those named, or all of outbound channels; only contacts that we begin can be planned."""
    place = f"{entry.place}.placements"
    outbound = {
        name
        for name, placement in placements.items()
        if placement.channel in channels and channels[placement.channel].direction == "outbound"
    }
    if entry.table.placements is None:
        if not outbound:
            message = "no placement belongs to an outbound channel: there is nothing to plan"
            remedy = 'write direction = "outbound" in its [channels.<id>]'
            findings.missing(entry.file, entry.place, message, remedy)
        return tuple(name for name in placements if name in outbound)
    for name in entry.table.placements:
        if name not in placements:
            remedy = suggest(name, placements, "placements")
            findings.missing(entry.file, place, f"there is no placement {name!r}", remedy)
        elif name not in outbound and placements[name].channel in channels:
            message = f"{name!r} belongs to an inbound channel, where the customer comes to us"
            findings.mistake(entry.file, place, message, "name placements of outbound channels")
    return tuple(name for name in dict.fromkeys(entry.table.placements) if name in outbound)


def _budget(draft: Draft) -> float | Expression | None:
    entry, findings = draft.tables.contact_plan, draft.findings
    budget, place = entry.table.budget, f"{entry.place}.budget"
    if isinstance(budget, str):
        parsed = draft.expressions.amount(budget, entry.file, place)
        return None if parsed is None else parsed.bind({}, {})
    if budget is not None and budget < 0:
        findings.mistake(entry.file, place, f"{budget:g} is negative", "write 0 or more")
    return budget
