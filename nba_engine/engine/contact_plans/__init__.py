"""Contact plans of single customers: what could be planned, and the best chain at a plan's prices."""

from nba_engine.engine.contact_plans.book import CurrentPlan, PlanBook
from nba_engine.engine.contact_plans.chain import BEST, Made, chain_of
from nba_engine.engine.contact_plans.contacts import PlanContacts
from nba_engine.engine.contact_plans.offers import UNLIMITED, Offering, Offers

__all__ = [
    "BEST",
    "UNLIMITED",
    "CurrentPlan",
    "Made",
    "Offering",
    "Offers",
    "PlanBook",
    "PlanContacts",
    "chain_of",
]
