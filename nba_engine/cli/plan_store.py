"""`nba plan` for the customers of the store: asked, planned, and put in force."""

from __future__ import annotations

import json
import time as clock
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from rich.progress import TextColumn

from nba_engine.app import Logged, make_batch_engine, open_logged
from nba_engine.cli.decide import moment_of
from nba_engine.cli.everybody import store_of
from nba_engine.cli.output import clean_output, counted, errors, progress_bar, say
from nba_engine.cli.plan_told import steps_shown, told
from nba_engine.domain import CatalogView, PlanMark, Window
from nba_engine.domain.words import spoken_time
from nba_engine.errors import NotFound
from nba_engine.stages.limits import Calendar

if TYPE_CHECKING:
    from nba_engine.app.contact_plans import PlanRun
    from nba_engine.domain import BatchEngine
    from nba_engine.planning.tables import Changed

__all__ = ["StoreOptions", "plan_store"]

_DAY = 86_400.0
_SHARE = 2_000  # customers in a partition in which offers are asked for


class StoreOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The options of the command. ``trial``: only so many customers; 0: all."""

    out: Path
    changed: Changed
    compare: bool
    gap: float
    batch_engine: str
    time: str | None
    trial: int
    dry_run: bool
    fresh: bool
    seed: int
    as_json: bool

    @property
    def why_not_in_force(self) -> str:
        """What keeps the plan from being put in force; "" when nothing does."""
        from nba_engine.planning.tables import Changed

        if self.changed != Changed():
            return "it is a what-if plan (--set)"
        if self.trial:
            return f"it is a trial with {counted(self.trial, 'customers')} (--limit)"
        return "--dry-run" if self.dry_run else ""


def plan_store(settings: Path, options: StoreOptions) -> int:
    """Plan for all customers, write the plan down, and put it in force."""
    from nba_engine.app.contact_plans import keep_plan
    from nba_engine.planning.run import PLAN, SUMMARY
    from nba_engine.planning.written import check_summary

    with (
        clean_output(when=options.as_json),
        open_logged(settings, with_log=False) as opened,
    ):
        store = store_of(opened)
        catalog = opened.snapshot.catalog
        engine = make_batch_engine(
            opened.settings.batch, opened.register, file=str(settings), name=options.batch_engine
        )
        run = _begun(opened, settings, options)
        _ask(run, engine, as_json=options.as_json)
        before: dict[str, Any] | None = None
        mark = None if options.why_not_in_force else run.mark()
        if mark is None:
            run.search()
            summary, before, mark, resumed = _made(run, catalog, engine, options)
            if not options.why_not_in_force:
                run.found(mark)
        else:
            summary, resumed = json.loads((options.out / SUMMARY).read_text("utf-8")), True
        check_summary(summary)
        if not options.why_not_in_force:
            with progress_bar() as bar:
                task = bar.add_task("into the store", total=summary["customers_contacted"])
                keep_plan(
                    run,
                    mark,
                    options.out / PLAN,
                    store,
                    told=lambda number: bar.advance(task, number),
                )
    told(options.out, summary, before, resumed=resumed, as_json=options.as_json)
    if not options.as_json:
        for words in () if before is None else before["not_planned_with"]:
            say(f"without --set: {words}", style="yellow")
        _print_force(mark, catalog, summary, options)
    run.finish()  # the last of all: until here the same command can go on
    return 0


def _begun(opened: Logged, settings: Path, options: StoreOptions) -> PlanRun:
    """A new run, or the one that was broken off."""
    from nba_engine.app.contact_plans import PlanRun, asked_of, begin, changed_world

    catalog = opened.snapshot.catalog
    now = clock.time() if options.time is None else moment_of(options.time, catalog)
    world = changed_world(catalog, options.changed)
    starts = _starts(catalog, world.terms.period, now)
    asked = asked_of(opened, settings, world, now=now, starts=starts, seed=options.seed)
    run = PlanRun(options.out)
    timed = options.time is not None
    if not options.fresh and run.resume(asked, timed=timed, trial=options.trial):
        errors.print(f"going on with {run.folder}", style="dim", highlight=False)
        return run
    begin(run, asked, opened, world, starts=starts, size=_SHARE, trial=options.trial)
    if not run.begun.customers:
        run.finish()
        raise NotFound("the store has no customers")
    return run


def _ask(run: PlanRun, engine: BatchEngine, *, as_json: bool) -> None:
    """What could be planned for whom, by the engine's own pipeline."""
    from nba_engine.app.contact_plans import ShareSums, ask_share, build_share

    began = clock.monotonic()
    sums = ShareSums()
    with progress_bar() as bar:
        bar.columns = (*bar.columns, TextColumn("{task.fields[speed]}"))
        task = bar.add_task("what could be planned", total=run.begun.customers, speed="")
        batch = engine.open(run.shares(), build_share)
        try:
            for part in batch.each(ask_share, None):
                sums.add(part)
                done = sums.customers + sums.gone
                speed = f"{done / max(1e-9, clock.monotonic() - began):,.0f} customers/s"
                bar.update(task, completed=done, speed=speed)
        finally:
            batch.close()
    if as_json:
        return
    say(
        f"{counted(sums.offers, 'contacts')} could be planned for {counted(sums.customers, 'customers')}"
    )
    if sums.without:
        say(f"nothing can be planned for {counted(sums.without, 'customers')}", style="dim")
    if sums.gone:
        say(f"{counted(sums.gone, 'customers')} left: merged or erased since the run began")


def _made(
    run: PlanRun, catalog: CatalogView, engine: BatchEngine, options: StoreOptions
) -> tuple[dict[str, Any], dict[str, Any] | None, PlanMark, bool]:
    """Summary, that of the plan without ``--set``, the mark, and whether a search was gone on with."""
    from nba_engine.app.contact_plans import changed_world, make
    from nba_engine.planning import PlanOptions
    from nba_engine.planning.report import report_plan
    from nba_engine.planning.tables import Changed

    how = PlanOptions(gap=options.gap)
    begun = run.begun
    day = spoken_time(begun.asked.now, catalog.time_zone)
    source = f"{begun.asked.settings}: {counted(begun.customers, 'customers')} as of {day}"
    before = None
    plans = [(options.out, options.changed)]
    if options.compare:
        plans.insert(0, (options.out / "before", Changed()))
    for out, changed in plans:
        out.mkdir(exist_ok=True)
        with steps_shown("building partitions") as tell:
            made = make(run, changed_world(catalog, changed), out, engine, how, tell)
            planned = made.planned
            report_plan(made.problem, planned.plan, planned.shown, source).write(out / "plan.html")
        before = planned.summary if out != options.out else before
    return planned.summary, before, made.mark, planned.resumed


def _starts(catalog: CatalogView, period: float, now: float) -> float:
    """Periods of whole days begin at midnight, others now."""
    if period % _DAY:
        return now
    return Calendar(Window(unit="day", time_zone=catalog.time_zone)).at(now).start


def _print_force(
    mark: PlanMark, catalog: CatalogView, summary: dict[str, Any], options: StoreOptions
) -> None:
    for words in summary["not_planned_with"]:
        say(words, style="yellow")
    why = options.why_not_in_force
    if why:
        say(f"nothing was put in force: {why}", style="yellow")
        return
    first, last = (spoken_time(time, catalog.time_zone) for time in (mark.starts, mark.ends))
    say(f"in force: plan {mark.id}, {mark.terms.periods} periods from {first} to {last}")
