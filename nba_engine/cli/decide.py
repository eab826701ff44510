"""`nba decide`: one decision, without a server, as a readable table."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from zoneinfo import ZoneInfo

import click
import msgspec
from rich.table import Table

from nba_engine.app import open_app
from nba_engine.cli.output import errors, output, say, settings_option
from nba_engine.domain import (
    CandidateTrace,
    CatalogView,
    Decision,
    DecisionRequest,
    Explanation,
    PlacementRequest,
    Recommendation,
    Value,
)
from nba_engine.domain.words import spoken_money
from nba_engine.sources import RowError, to_seconds

__all__ = ["context_of", "decide_command", "moment_of", "placement_of"]

RUNNERS_UP = 10


@click.command("decide")
@click.argument("identity")
@settings_option
@click.option(
    "-p",
    "--placement",
    "placements",
    multiple=True,
    metavar="NAME[:SLOTS]",
    help="A placement to fill; may be repeated. Default: every placement of the catalog.",
)
@click.option(
    "-c",
    "--context",
    "context",
    multiple=True,
    metavar="NAME=VALUE",
    help="A context attribute; JSON where it parses as such: cart='[\"milk\"]'.",
)
@click.option(
    "--time",
    help="Decide as of this time (simulated stores only): 2017-11-20T17:30, in the catalog's time "
    "zone unless it names one.",
)
@click.option("--seed", type=int, help="Seed of the decision (simulated stores only).")
@click.option("--explain", is_flag=True, help="Say why, why not the others, what would change it.")
@click.option("--json", "as_json", is_flag=True, help="Print the decision as JSON.")
def decide_command(
    identity: str,
    settings: Path,
    placements: tuple[str, ...],
    context: tuple[str, ...],
    time: str | None,
    seed: int | None,
    explain: bool,  # noqa: FBT001 (click hands flags over as booleans)
    as_json: bool,  # noqa: FBT001
) -> None:
    """Decide what is best to do next for IDENTITY (such as crm:42), and show it.

    This is a real decision: it is logged, and what it recommends is reserved on the limits.

    \b
    nba decide crm:42 -p app_banner:3 -c cart='["milk"]' --explain
    """  # noqa: D301 (click reads the backspace as: keep these lines)
    wanted = [placement_of(name) for name in placements]
    given = dict(context_of(pair) for pair in context)
    with open_app(settings) as app:
        engine = app.engine
        if time is None and engine.store.simulated:
            errors.print(
                "This store is simulated and lives in its own past; without --time it decides as "
                "of now.",
                style="dim",
            )
        request = DecisionRequest(
            identity=identity,
            placements=tuple(wanted) or tuple(map(PlacementRequest, engine.catalog.placements)),
            context=given,
            time=None if time is None else moment_of(time, engine.catalog),
            seed=seed,
        )
        decision = engine.decide(request)
        explanation = engine.explain(decision.decision_id) if explain else None
        if as_json:
            shown: Decision | Explanation = explanation or decision
            output.print_json(json.dumps(msgspec.to_builtins(shown)))
            return
        _print_decision(identity, decision, engine.catalog)
        if explanation is not None:
            _print_explanation(explanation, engine.catalog)


def moment_of(text: str, catalog: CatalogView) -> float:
    """Seconds of what was written as a time. Raises `click.BadParameter`, as those below."""
    try:
        return to_seconds(text, ZoneInfo(catalog.time_zone))
    except RowError as error:
        raise click.BadParameter(error.message, param_hint="--time") from None


def placement_of(text: str) -> PlacementRequest:
    """What ``NAME[:SLOTS]`` asks for."""
    name, _, slots = text.partition(":")
    if slots and not (slots.isascii() and slots.isdigit()):
        raise click.BadParameter(f"{text!r}: slots must be a number", param_hint="--placement")
    return PlacementRequest(name, int(slots or 0))


def context_of(text: str) -> tuple[str, Value]:
    """Name and value out of ``NAME=VALUE``."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise click.BadParameter(f"{text!r}: write NAME=VALUE", param_hint="--context")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _print_decision(identity: str, decision: Decision, catalog: CatalogView) -> None:
    say(identity if decision.known else f"{identity}: unknown, decided on context and priors")
    for placement, items in itertools.groupby(decision.recommendations, lambda r: r.placement):
        channel = catalog.channels[catalog.placements[placement].channel].name
        output.print()
        say(f"{placement} ({channel})", style="bold")
        _print_placement(list(items), catalog)
    dropped = sum(decision.dropped.values())
    output.print()
    say(
        f"{decision.candidates} candidates, {dropped} dropped, "
        f"{len(decision.recommendations)} recommended; "
        f"{sum(decision.stage_micros.values()) / 1000:.2f} ms; catalog {decision.catalog_version}",
        style="dim",
    )
    if decision.decided_by:
        version = decision.model_versions.get(decision.decided_by, "?")
        say(f"decided by the model {decision.decided_by}, version {version}", style="dim")
    if decision.control_groups:
        groups = ["everything" if one == "*" else one for one in decision.control_groups]
        say(f"in the control group of {', '.join(groups)}", style="dim")
    if decision.degraded:
        say(f"degraded: {', '.join(decision.degraded)}", style="bold yellow")
    say(f"decision {decision.decision_id}", style="dim")


def _print_placement(items: Sequence[Recommendation], catalog: CatalogView) -> None:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("#", justify="right")
    table.add_column("action", overflow="fold")
    drawn = catalog.placements[items[0].placement].exploration is not None
    headings = ["score", "chance", "value", "cost", *(["drawn with"] if drawn else [])]
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("why", overflow="fold")
    currency = catalog.currency
    for item in items:
        action = catalog.actions[catalog.action_index[item.action]]
        if action.kind == "nothing":
            empty = [""] * 4
            odds = [f"{item.selection_probability:.1%}"] if drawn else []
            table.add_row("", action.name, *empty, *odds, ", ".join(item.reason_codes))
            continue
        table.add_row(
            str(item.position + 1),
            item.action,
            spoken_money(item.score, currency),
            f"{item.propensity:.1%}",
            spoken_money(item.value, currency),
            spoken_money(item.cost, currency),
            *([f"{item.selection_probability:.1%}"] if drawn else []),
            ", ".join(item.reason_codes),
        )
    output.print(table)
    for item in items:
        for field, text in item.content.items():
            say(f"   {item.position + 1} {field}: {text}", style="dim")


def _print_explanation(explanation: Explanation, catalog: CatalogView) -> None:
    output.print()
    for sentence in explanation.sentences:
        say(sentence)
    funnel = Table(box=None, pad_edge=False, header_style="dim")
    funnel.add_column("stage")
    funnel.add_column("dropped for")
    funnel.add_column("candidates", justify="right")
    for line in explanation.funnel:
        funnel.add_row(line.stage, line.reason, str(line.candidates))
    output.print()
    output.print(funnel)
    close = _runners_up(explanation.candidates)
    if close:
        output.print()
        say("Why not?", style="bold")
    for trace in close:
        score = trace.columns.get("score")
        worth = "" if score is None else f", {spoken_money(score, catalog.currency)}"
        say(f"{trace.treatment} in {trace.placement}{worth}: {trace.text}")


def _runners_up(traces: Sequence[CandidateTrace]) -> list[CandidateTrace]:
    """Dropped candidates, those with the best score first."""
    dropped = [trace for trace in traces if trace.stage]
    dropped.sort(key=lambda trace: -trace.columns.get("score", float("-inf")))
    return dropped[:RUNNERS_UP]
