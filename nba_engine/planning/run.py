"""From tables to a plan in a folder."""

from __future__ import annotations

import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from nba_engine.chains import is_compiled
from nba_engine.domain import BatchEngine
from nba_engine.planning.checkpoint import begun_search, fingerprint, keep_search
from nba_engine.planning.plan import Plan, make_plan
from nba_engine.planning.resident import Rows, build_resident
from nba_engine.planning.steps import PlanOptions, Tell
from nba_engine.planning.tables import Tables, partitions_of
from nba_engine.planning.written import Shown, summary, write_json, write_plan

__all__ = ["CHECKPOINT", "PLAN", "SUMMARY", "Planned", "plan_tables"]

PLAN, SUMMARY, CHECKPOINT = "plan.parquet", "summary.json", "checkpoint.json"


class Planned(msgspec.Struct, frozen=True, kw_only=True):
    """What `plan_tables` found and wrote."""

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
    """Plan, and write plan.parquet and summary.json into the folder ``out``.

    A run that was stopped is gone on with: checkpoint.json tells where the search for prices was.
    """
    options = options or PlanOptions()
    started = time.monotonic()
    problem, customers = tables.problem, len(tables.budget)
    checkpoint = out / CHECKPOINT
    of = fingerprint(problem, Rows(values=tables.values, budget=tables.budget), options)
    begun = begun_search(checkpoint, of)
    with TemporaryDirectory(prefix="work-", dir=out) as work:
        partitions = partitions_of(tables, Path(work))
        batch = engine.open(partitions, build_resident, releases_gil=is_compiled())
        try:
            plan = make_plan(
                batch,
                problem,
                customers,
                options,
                partitions=len(partitions),
                begun=begun,
                keep=lambda search: keep_search(checkpoint, of, search),
                tell=tell,
            )
            shown = write_plan(out / PLAN, batch, problem, plan, tables.customers)
        finally:
            batch.close()
    found = summary(problem, plan, shown, time.monotonic() - started)
    write_json(out / SUMMARY, found)
    checkpoint.unlink(missing_ok=True)
    return Planned(plan=plan, shown=shown, summary=found, resumed=begun is not None)
