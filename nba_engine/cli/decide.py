"""`nba decide`: one decision, without a server, as a readable table."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import click
import msgspec
from rich.table import Table

from nba_engine.app import open_app
from nba_engine.cli.output import money, output, say, settings_option
from nba_engine.cli.rows import RowError, to_seconds
from nba_engine.domain import (
    CandidateTrace,
    Decision,
    DecisionRequest,
    Explanation,
    PlacementRequest,
    Value,
)

__all__ = ["decide_command"]

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
@click.option("--time", help="Decide as of this time (simulated stores only): 2017-11-20T17:30.")
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
    r"""Decide what is best to do next for IDENTITY (such as crm:42), and show it.

    This is a real decision: it is logged, and what it recommends is reserved on the limits.

    \b
    nba decide crm:42 -p app_banner:3 -c cart='["FLUID MILK PRODUCTS"]' --explain
    """
    try:
        at = None if time is None else to_seconds(time)
    except RowError as error:
        raise click.BadParameter(error.message, param_hint="--time") from None
    with open_app(settings) as app:
        engine = app.engine
        names = placements or tuple(engine.catalog.placements)
        request = DecisionRequest(
            identity=identity,
            placements=tuple(_placement(name) for name in names),
            context=dict(_context(pair) for pair in context),
            time=at,
            seed=seed,
        )
        decision = engine.decide(request)
        explanation = engine.explain(decision.decision_id) if explain else None
        if as_json:
            shown: Decision | Explanation = explanation or decision
            output.print_json(json.dumps(msgspec.to_builtins(shown)))
            return
        _print_decision(decision, engine.catalog.currency)
        if explanation is not None:
            _print_explanation(explanation, engine.catalog.currency)


def _placement(text: str) -> PlacementRequest:
    name, _, slots = text.partition(":")
    if slots and not slots.isdigit():
        raise click.BadParameter(f"{text!r}: slots must be a number", param_hint="--placement")
    return PlacementRequest(name, int(slots or 0))


def _context(text: str) -> tuple[str, Value]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise click.BadParameter(f"{text!r}: write NAME=VALUE", param_hint="--context")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _print_decision(decision: Decision, currency: str) -> None:
    customer = "known" if decision.known else "unknown, decided on context and priors"
    say(f"Customer {decision.customer_id} ({customer})")
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading, side in (
        ("placement", "left"),
        ("#", "right"),
        ("action", "left"),
        ("channel", "left"),
        ("score", "right"),
        ("propensity", "right"),
        ("value", "right"),
        ("cost", "right"),
        ("why", "left"),
    ):
        table.add_column(heading, justify="right" if side == "right" else "left")
    for item in decision.recommendations:
        table.add_row(
            item.placement,
            str(item.position + 1),
            item.action,
            item.channel,
            money(item.score, currency),
            f"{item.propensity:.1%}",
            money(item.value, currency),
            money(item.cost, currency),
            ", ".join(item.reason_codes),
        )
    output.print(table)
    for item in decision.recommendations:
        for field, text in item.content.items():
            say(f"  {item.placement} {item.position + 1}, {field}: {text}")
    dropped = sum(decision.dropped.values())
    say(
        f"{decision.candidates} candidates, {dropped} dropped, "
        f"{len(decision.recommendations)} recommended; "
        f"{sum(decision.stage_micros.values()) / 1000:.2f} ms; catalog {decision.catalog_version}",
        style="dim",
    )
    if decision.degraded:
        say(f"degraded: {', '.join(decision.degraded)}", style="bold yellow")
    say(f"decision {decision.decision_id}", style="dim")


def _print_explanation(explanation: Explanation, currency: str) -> None:
    output.print()
    for sentence in explanation.sentences:
        say(sentence)
    funnel = Table(box=None, pad_edge=False, header_style="bold")
    funnel.add_column("stage")
    funnel.add_column("dropped for")
    funnel.add_column("candidates", justify="right")
    for line in explanation.funnel:
        funnel.add_row(line.stage, line.reason, str(line.candidates))
    output.print()
    output.print(funnel)
    close = _runners_up(explanation.candidates)
    if not close:
        return
    output.print()
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("why not", "placement", "score", "because"):
        table.add_column(heading, overflow="fold")
    for trace in close:
        score = trace.columns.get("score")
        table.add_row(
            trace.treatment,
            trace.placement,
            "" if score is None else money(score, currency),
            " ".join((trace.text, *(change.text for change in trace.changes))),
        )
    output.print(table)


def _runners_up(traces: Sequence[CandidateTrace]) -> list[CandidateTrace]:
    """Dropped candidates, those with the best score first."""
    dropped = [trace for trace in traces if trace.stage]
    dropped.sort(key=lambda trace: -trace.columns.get("score", float("-inf")))
    return dropped[:RUNNERS_UP]
