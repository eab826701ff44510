"""Contact plans for the customers of a store: what could be planned, chains, and back into the store."""

from nba_engine.app.contact_plans.beginning import asked_of, begin
from nba_engine.app.contact_plans.keeping import keep_plan
from nba_engine.app.contact_plans.making import Made, World, changed_world, make
from nba_engine.app.contact_plans.offers import ShareSums, ask_share, build_share
from nba_engine.app.contact_plans.run import PlanRun

__all__ = [
    "Made",
    "PlanRun",
    "ShareSums",
    "World",
    "ask_share",
    "asked_of",
    "begin",
    "build_share",
    "changed_world",
    "keep_plan",
    "make",
]
