"""Stage ``contact_plan``: what is planned for now goes first, the others at the plan's prices."""

from nba_engine.stages.contact_plan.contact_plan import CONTACT_PLAN, ContactPlan
from nba_engine.stages.contact_plan.priority import planned_first
from nba_engine.stages.contact_plan.wording import planned_for, week_of

__all__ = ["CONTACT_PLAN", "ContactPlan", "planned_first", "planned_for", "week_of"]
