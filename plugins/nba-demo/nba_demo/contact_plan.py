"""The contact plan of eight weeks for every household, and what would be done without one.

Made as `nba plan` makes it, from the store as it is at the cut-off, and put in force: the server
follows it in the replay. Beside it the same candidates, under the same limits and the same rules of
chains, are given out week by week, each household its best contact while there is room
(`unplanned`): no plan, no prices. Both are worth what is *expected*; nobody was contacted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from nba_demo.bought import Bought
from nba_demo.data import CUT_OFF, WEEK, Year
from nba_demo.importing import identity
from nba_demo.unplanned import Chain, give_out
from nba_engine.app import make_batch_engine, open_logged
from nba_engine.app.contact_plans import (
    PlanRun,
    ShareSums,
    ask_share,
    asked_of,
    begin,
    build_share,
    changed_world,
    keep_plan,
    make,
)
from nba_engine.app.contact_plans.offers import OffersSource, stored_names, stored_rows
from nba_engine.domain import MICROS
from nba_engine.planning import PlanOptions, Problem
from nba_engine.planning.report import report_plan
from nba_engine.planning.run import PLAN
from nba_engine.planning.tables import Changed

__all__ = ["PLANNED", "ContactPlanned", "Kept", "Way", "plan_contacts"]

PLANNED = "with the plan and its prices"
_UNPLANNED = {  # name → whether costs are taken off before ranking
    "best first, P*C*V*L": False,
    "best first, after costs": True,
}
_SHARE = 100  # households asked at a time by a worker
_NEARLY = 0.015  # of a unit: less is left than the cheapest contact takes


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """What was used of a limit that all households share; ``full``: windows without room."""

    limit: str
    measure: str
    amount: float  # in a window
    windows: int
    used: float
    full: int
    over: float


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """One way to choose contacts. ``value``: expected, after costs; per week from the cut-off on.

    ``hits``: of ``labelled`` category offers, those bought within 14 days of the week's beginning.
    """

    name: str
    value: float
    households: int
    contacts: Mapping[str, int]  # by channel
    spend: float
    by_week: Mapping[str, list[int]]  # channel → contacts
    value_by_week: list[float]
    limits: tuple[Kept, ...]
    labelled: int
    hits: int


class ContactPlanned(msgspec.Struct, frozen=True, kw_only=True):
    """The plan, how good it is, and the ways without it. ``prices``: limit → price per week."""

    plan: str
    households: int
    candidates: int
    bound: float
    gap: float
    violation: int
    weeks: int
    prices: Mapping[str, tuple[float, ...]]
    ways: tuple[Way, ...]

    @property
    def planned(self) -> Way:
        """The way of the plan."""
        return self.ways[0]

    @property
    def overspent(self) -> float:
        """What any way used above any limit: 0."""
        return sum(kept.over for way in self.ways for kept in way.limits)


def plan_contacts(
    settings: Path,
    year: Year,
    bought: Bought,
    *,
    seed: int,
    tick: Callable[[int], None] = lambda _: None,
) -> ContactPlanned:
    """Plan, compare, and put the plan in force; ``tick`` gets households that were asked about.

    Leaves ``plan/plan.parquet``, ``summary.json`` and ``plan.html`` beside the settings.
    """
    out = settings.parent / "plan"
    out.mkdir(exist_ok=True)
    with open_logged(settings, with_log=False) as opened:
        world = changed_world(opened.snapshot.catalog, Changed())
        engine = make_batch_engine(opened.settings.batch, opened.register, file=str(settings))
        run = PlanRun(out)
        asked = asked_of(opened, settings, world, now=CUT_OFF, starts=CUT_OFF, seed=seed)
        begin(run, asked, opened, world, starts=CUT_OFF, size=_SHARE)
        sums = ShareSums()
        batch = engine.open(run.shares(), build_share)
        try:
            for part in batch.each(ask_share, None):
                sums.add(part)
                tick(part.customers + part.gone)
        finally:
            batch.close()
        made = make(run, world, out, engine, PlanOptions())
        planned, problem = made.planned, made.problem
        about = f"{sums.customers:,} households as of the cut-off"
        report_plan(problem, planned.plan, planned.shown, about).write(out / "plan.html")
        keep_plan(run, made.mark, out / PLAN, opened.store)
        source = OffersSource(
            folder=str(run.folder), size=run.begun.size, contacts=len(problem.names)
        )
        rows = stored_rows(source, 0, run.begun.customers)
        names = stored_names(source, 0, run.begun.customers)
        run.finish()
    number = {identity(int(one)): at for at, one in enumerate(year.households)}
    household = [number[name] for name in names]
    given = {PLANNED: _chains(out / PLAN, problem, names)}
    for name, after_costs in _UNPLANNED.items():
        given[name] = give_out(rows, problem, after_costs=after_costs, seed=seed)
    ways = [_way(name, chains, problem, household, bought) for name, chains in given.items()]
    return ContactPlanned(
        plan=made.mark.id,
        households=sums.customers,
        candidates=sums.offers,
        bound=planned.plan.bound,
        gap=planned.plan.gap,
        violation=int(planned.summary["violation"]),
        weeks=world.terms.periods,
        prices=dict(made.mark.prices),
        ways=tuple(ways),
    )


def _chains(plan: Path, problem: Problem, names: list[str]) -> list[Chain]:
    """The chains of the file, as `give_out` has them."""
    contact = {one.treatment: at for at, one in enumerate(problem.names)}
    customer = {name: at for at, name in enumerate(names)}
    rows: list[dict[str, Any]] = pq.read_table(plan).to_pylist()
    return [
        Chain(customer[row["customer"]], contact[row["treatment"]], row["period"] - 1, row["value"])
        for row in rows
    ]


def _way(
    name: str, chains: Sequence[Chain], problem: Problem, household: Sequence[int], bought: Bought
) -> Way:
    weeks = problem.rules.periods
    by_week: dict[str, list[int]] = {one.channel: [0] * weeks for one in problem.names}
    counts = np.zeros((len(problem.names), weeks), np.int64)
    value_by_week = [0.0] * weeks
    spend = labelled = hits = 0
    for customer, contact, week, value in chains:
        one = problem.names[contact]
        by_week[one.channel][week] += 1
        counts[contact, week] += 1
        value_by_week[week] += value - one.cost / MICROS
        spend += one.cost
        hit = bought.within(household[customer], one.action, CUT_OFF + week * WEEK)
        labelled += hit is not None
        hits += bool(hit)
    return Way(
        name=name,
        value=sum(value_by_week),
        households=len({one.customer for one in chains}),
        contacts={channel: sum(line) for channel, line in by_week.items()},
        spend=spend / MICROS,
        by_week=by_week,
        value_by_week=value_by_week,
        limits=_kept(problem, counts),
        labelled=labelled,
        hits=hits,
    )


def _kept(problem: Problem, counts: NDArray[np.int64]) -> tuple[Kept, ...]:
    """The limits with their windows together: a weekly limit is one of the plan's per week."""
    windows: dict[str, list[tuple[float, float]]] = {}
    measures = {}
    for limit, used in zip(problem.limits, problem.used(counts).tolist(), strict=True):
        unit = MICROS if limit.measure == "money" else 1
        name = limit.name.partition("|")[0].partition(",")[0]
        windows.setdefault(name, []).append((limit.amount / unit, used / unit))
        measures[name] = limit.measure
    return tuple(
        Kept(
            limit=name,
            measure=measures[name],
            amount=some[0][0],
            windows=len(some),
            used=sum(used for _, used in some),
            full=sum(used >= amount - _NEARLY for amount, used in some),
            over=sum(max(0.0, used - amount) for amount, used in some),
        )
        for name, some in windows.items()
    )
