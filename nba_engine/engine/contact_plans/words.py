"""What a contact plan had to do with a decision, in sentences."""

from __future__ import annotations

from collections.abc import Iterator

from nba_engine.domain import CatalogView, Deciding
from nba_engine.domain.words import enumerated, spoken_time
from nba_engine.stages.contact_plan import planned_for

__all__ = ["planned_sentences"]


def planned_sentences(catalog: CatalogView, deciding: Deciding) -> Iterator[str]:
    """What was planned for the customer, and since when; nothing where no plan was read."""
    plan, spec = deciding.plan, catalog.contact_plan
    if plan is None or spec is None:
        return
    due = plan.due(deciding.now)
    told = enumerated([planned_for(catalog, spec.terms, one) for one in due])
    since = (
        "planned anew for this decision, because something had happened since the plan was made"
        if plan.replanned
        else f"as planned at {spoken_time(plan.made, catalog.time_zone)}"
    )
    if due:
        yield f"Planned for now is {told}, at the plan's prices ({since})."
    else:
        later = [one for one in plan.contacts if one.starts > deciding.now]
        following = f"; next is {planned_for(catalog, spec.terms, later[0])}" if later else ""
        yield f"Nothing is planned for the customer for now{following} ({since})."
