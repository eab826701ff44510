"""Contact plans for the customers of a store: what could be planned, chains, and back into the store."""

from nba_engine.app.contact_plans.keeping import keep_plan
from nba_engine.app.contact_plans.making import Made, World, accounts_of, changed_world, make
from nba_engine.app.contact_plans.offers import Asked, ShareSums, ask_share, build_share
from nba_engine.app.contact_plans.run import PlanRun, customers_of

__all__ = [
    "Asked",
    "Made",
    "PlanRun",
    "ShareSums",
    "World",
    "accounts_of",
    "ask_share",
    "build_share",
    "changed_world",
    "customers_of",
    "keep_plan",
    "make",
]
