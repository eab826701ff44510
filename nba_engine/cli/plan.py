"""`nba plan`: contact chains for all customers, within every limit."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import click

from nba_engine.app import load_plugins, make_batch_engine
from nba_engine.cli.learning.extra import learn_extra
from nba_engine.cli.output import clean_output, errors, settings_option
from nba_engine.cli.plan_alone import alone_in
from nba_engine.cli.plan_show import show_command
from nba_engine.cli.plan_store import StoreOptions, plan_store
from nba_engine.cli.plan_told import steps_shown, told
from nba_engine.settings import BatchSettings, load_settings

if TYPE_CHECKING:
    from nba_engine.domain import BatchEngine
    from nba_engine.planning.run import Planned
    from nba_engine.planning.tables import Changed

__all__ = ["plan_group"]


@click.group("plan", invoke_without_command=True)
@settings_option
@click.option(
    "--input",
    "folder",
    metavar="DIR",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Tables instead of the store: customers, candidates, limits (.parquet or .csv), settings.toml.",
)
@click.option(
    "--out",
    default=Path("plan"),
    show_default=True,
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where plan.parquet, summary.json and plan.html are written.",
)
@click.option(
    "--set",
    "sets",
    multiple=True,
    metavar="NAME=NUMBER",
    help="What if: another amount (limit.NAME.amount=20000), minimum (limit.NAME.at_least=500) or setting "
    "(most_contacts=2).",
)
@click.option("--compare", is_flag=True, help="Plan without --set, too, and show both.")
@click.option(
    "--gap",
    type=click.FloatRange(min=0.0, max=1.0),
    default=5e-5,
    show_default=True,
    help="Search prices until they leave no more than this share of the bound.",
)
@click.option("--batch-engine", metavar="NAME", help="Another batch engine than the settings name.")
@click.option("--time", help="Store: plan as of this time, from its midnight on; default: now.")
@click.option("--limit", type=click.IntRange(min=1), help="Store: try it with so many customers.")
@click.option("--dry-run", is_flag=True, help="Store: plan, and put nothing in force.")
@click.option("--fresh", is_flag=True, help="Store: begin anew what was broken off.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of what is drawn.")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
@click.pass_context
@learn_extra()
def plan_group(
    context: click.Context,
    settings: Path,
    folder: Path | None,
    out: Path,
    sets: Sequence[str],
    compare: bool,  # noqa: FBT001 (click hands flags over as booleans)
    gap: float,
    batch_engine: str | None,
    time: str | None,
    limit: int | None,
    dry_run: bool,  # noqa: FBT001
    fresh: bool,  # noqa: FBT001
    seed: int,
    as_json: bool,  # noqa: FBT001
) -> int:
    """Plan contacts for every customer: worth most within all limits, and how near to the best.

    For the customers of the store by the catalog's [contact_plan]: what could be planned for each is
    asked of the engine's own pipeline, and the plan is put in force. With --input for plain tables that
    any system can write (docs/plan.md). A run that was stopped is gone on with when it is started again.

    What if: with --set (and --dry-run, --limit) nothing is put in force.

    \b
    nba plan -s nba.toml --out plan
    nba plan -s nba.toml --out what-if --set limit.letters.amount=20000 --compare
    nba plan --input tables --out plan
    """  # noqa: D301 (click reads the backspace as: keep these lines)
    if context.invoked_subcommand is not None:
        return 0
    from nba_engine.chains import is_compiled

    changed = _changed(sets)
    if compare and not sets:
        raise click.UsageError("--compare needs at least one --set to compare with")
    if not is_compiled():
        errors.print(
            "numba is not installed (pip install 'nba-engine[plan]'): the same, but slower"
        )
    if folder is None:
        options = StoreOptions(
            out=out,
            changed=changed,
            compare=compare,
            gap=gap,
            batch_engine=batch_engine or "",
            time=time,
            trial=limit or 0,
            dry_run=dry_run,
            fresh=fresh,
            seed=seed,
            as_json=as_json,
        )
        with alone_in(out):
            return plan_store(settings, options)
    given = context.get_parameter_source("settings") is not click.core.ParameterSource.DEFAULT
    for name in ("time", "limit", "dry_run", "fresh", "seed"):
        if context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE:
            raise click.UsageError(f"--{name.replace('_', '-')} is for plans on the store")
    engine = _engine(settings if given else None, batch_engine or "")
    with alone_in(out):
        return _plan_tables(folder, out, changed, engine, compare=compare, gap=gap, as_json=as_json)


plan_group.add_command(show_command)


def _plan_tables(
    folder: Path,
    out: Path,
    changed: Changed,
    engine: BatchEngine,
    *,
    compare: bool,
    gap: float,
    as_json: bool,
) -> int:
    from nba_engine.planning.tables import Changed

    before: Planned | None = None
    with clean_output(when=as_json):
        if compare:
            (out / "before").mkdir(exist_ok=True)
            before = _plan(folder, out / "before", Changed(), engine, gap)
        planned = _plan(folder, out, changed, engine, gap)
    earlier = None if before is None else before.summary
    told(out, planned.summary, earlier, resumed=planned.resumed, as_json=as_json)
    return 0


def _plan(folder: Path, out: Path, changed: Changed, engine: BatchEngine, gap: float) -> Planned:
    from nba_engine.planning import PlanOptions
    from nba_engine.planning.report import report_plan
    from nba_engine.planning.run import plan_tables
    from nba_engine.planning.tables import read_tables

    with steps_shown("reading tables") as tell:
        with TemporaryDirectory(prefix="work-", dir=out) as work:
            tables = read_tables(folder, changed, Path(work))
            planned = plan_tables(tables, out, engine, PlanOptions(gap=gap), tell)
        source = f"{folder}: {len(tables.budget):,} customers"
        report_plan(tables.problem, planned.plan, planned.shown, source).write(out / "plan.html")
    return planned


def _engine(settings: Path | None, name: str) -> BatchEngine:
    """That of ``[batch]`` in a settings file, or the one of this name; local without either."""
    if settings is None:
        return make_batch_engine(BatchSettings(), load_plugins().require(), name=name)
    read = load_settings(settings)
    register = load_plugins(read.plugins).require()
    return make_batch_engine(read.batch, register, file=str(settings), name=name)


def _changed(sets: Sequence[str]) -> Changed:
    from nba_engine.planning.tables import Changed

    of_limits: dict[str, dict[str, float]] = {"amount": {}, "at_least": {}}
    settings: dict[str, float] = {}
    for one in sets:
        name, equals, text = one.partition("=")
        try:
            number = float(text)
        except ValueError:
            equals = ""
        limit, _, kind = name.removeprefix("limit.").rpartition(".")
        if equals and kind in of_limits and name == f"limit.{limit}.{kind}":
            if not number >= 0:
                raise click.BadParameter(f"{one!r}: it must be at least 0", param_hint="--set")
            of_limits[kind][limit] = number
        elif equals and "." not in name:
            settings[name] = number
        else:
            raise click.BadParameter(
                f"{one!r}; write limit.NAME.amount=NUMBER, limit.NAME.at_least=NUMBER, or SETTING=NUMBER",
                param_hint="--set",
            )
    return Changed(amounts=of_limits["amount"], minimums=of_limits["at_least"], settings=settings)
