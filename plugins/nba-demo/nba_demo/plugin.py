"""What this distribution adds to nba-engine: ``nba demo``, and a model to begin with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click

from nba_engine.domain import ModelFactory
from nba_engine.plugin import hookimpl

__all__ = ["STARTER", "demo_command", "nba_commands", "nba_models", "nba_plugin_api"]

nba_plugin_api = "1.0"

STARTER = Path(__file__).parent.resolve() / "starter_model"


@click.command("demo")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("build/demo"),
    show_default=True,
    help="Where to put the engine that is built; an earlier demo there is replaced.",
)
@click.option(
    "--households",
    type=click.IntRange(min=0),
    default=0,
    help="Only so many households, for a quick look; the gates are shown, not enforced. 0: all.",
)
@click.option("--seed", type=int, default=2017, show_default=True, help="Of everything random.")
@click.option(
    "--full",
    is_flag=True,
    help="Afterwards replay it without the plan, and run everything that learns on it, with pages of pictures.",
)
def demo_command(out: Path, households: int, seed: int, full: bool) -> None:  # noqa: FBT001 (click)
    """A real year of shopping: import, train, serve, replay eight weeks, explain.

    Takes four to six minutes on two cores, with --full some minutes more. Exit code 1 when the
    model misses a gate or a check fails.
    """
    from nba_demo.demo import run_demo  # heavy: arrays, training, plots

    run_demo(out, households=households, seed=seed, full=full)


@hookimpl
def nba_commands(commands: click.Group) -> None:
    """``nba demo``."""
    commands.add_command(demo_command)


@hookimpl
def nba_models() -> Mapping[str, ModelFactory | Path]:
    """``starter``: see `nba_demo.starter`."""
    return {"starter": STARTER}
