"""Contact plans for all customers: prices of limits, chains at these prices, and how good they are."""

from nba_engine.planning.cuts import Search
from nba_engine.planning.drawn import Shape, drawn_partitions, drawn_problem
from nba_engine.planning.plan import LimitsNotKept, Plan, make_plan
from nba_engine.planning.problem import Contact, PlanLimit, Problem, contacts_of
from nba_engine.planning.resident import At, Edits, Partition, Resident, Rows, build_resident
from nba_engine.planning.steps import PlanOptions, Step

__all__ = [
    "At",
    "Contact",
    "Edits",
    "LimitsNotKept",
    "Partition",
    "Plan",
    "PlanLimit",
    "PlanOptions",
    "Problem",
    "Resident",
    "Rows",
    "Search",
    "Shape",
    "Step",
    "build_resident",
    "contacts_of",
    "drawn_partitions",
    "drawn_problem",
    "make_plan",
]
