"""From customers, in tables or wherever they are, to a plan in a folder."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from nba_engine.chains import is_compiled
from nba_engine.domain import BatchEngine
from nba_engine.planning.checkpoint import begun_search, fingerprint, keep_search
from nba_engine.planning.cuts import Search
from nba_engine.planning.plan import Plan, make_plan
from nba_engine.planning.problem import Problem
from nba_engine.planning.resident import Partition, Rows, build_resident
from nba_engine.planning.steps import PlanOptions, Tell
from nba_engine.planning.tables import Tables, partitions_of
from nba_engine.planning.written import Shown, summary, write_json, write_plan

__all__ = ["CHECKPOINT", "PLAN", "SUMMARY", "Planned", "plan_partitions", "plan_tables"]

PLAN, SUMMARY, CHECKPOINT = "plan.parquet", "summary.json", "checkpoint.json"


class Planned(msgspec.Struct, frozen=True, kw_only=True):
    """What was found and written."""

    plan: Plan
    shown: Shown
    summary: dict[str, Any]
    resumed: bool


def plan_tables(
    tables: Tables,
    out: Path,
    engine: BatchEngine,
    options: PlanOptions | None = None,
    tell: Tell = lambda _: None,
) -> Planned:
    """Plan tables that were read, and write plan.parquet and summary.json into ``out``."""
    options = options or PlanOptions()
    rows = Rows(values=tables.values, budget=tables.budget)
    of = fingerprint(tables.problem, rows, options)
    with TemporaryDirectory(prefix="work-", dir=out) as made:
        work = tables.work or Path(made)
        partitions = partitions_of(tables, work)
        return plan_partitions(tables.problem, partitions, out, engine, options, tell, of=of)


def plan_partitions(
    problem: Problem,
    partitions: Sequence[Partition],
    out: Path,
    engine: BatchEngine,
    options: PlanOptions | None = None,
    tell: Tell = lambda _: None,
    *,
    of: str = "",
) -> Planned:
    """Plan customers that workers load themselves: none of them is ever with the driver.

    Writes plan.parquet and summary.json into the folder ``out``. A run that was stopped is gone on
    with: checkpoint.json tells where the search for prices was, and ``of`` (a digest) whether that
    was about the same customers; empty: begin anew.
    """
    started = time.monotonic()
    checkpoint = out / CHECKPOINT
    begun = begun_search(checkpoint, of) if of else None

    def keep(search: Search) -> None:
        if of:
            keep_search(checkpoint, of, search)

    batch = engine.open(partitions, build_resident, releases_gil=is_compiled())
    try:
        plan = make_plan(
            batch,
            problem,
            sum(one.last - one.first for one in partitions),
            options,
            partitions=len(partitions),
            begun=begun,
            keep=keep,
            tell=tell,
        )
        shown = write_plan(out / PLAN, batch, problem, plan)
    finally:
        batch.close()
    found = summary(problem, plan, shown, time.monotonic() - started)
    write_json(out / SUMMARY, found)
    checkpoint.unlink(missing_ok=True)
    return Planned(plan=plan, shown=shown, summary=found, resumed=begun is not None)
