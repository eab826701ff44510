"""`nba plugin`: what is installed; and the commands that plugins add."""

from __future__ import annotations

from pathlib import Path

import click
from rich.table import Table

from nba_engine.app import load_plugins
from nba_engine.cli.output import errors, output
from nba_engine.cli.plugin_check import check_plugin_command
from nba_engine.cli.plugin_new import new_command
from nba_engine.errors import MistakesFound
from nba_engine.settings import read_settings

__all__ = ["add_plugin_commands", "plugin_group"]


def add_plugin_commands(group: click.Group, *, quiet: bool) -> None:
    """Add what plugins offer by `nba_commands`.

    A broken plugin must not keep anyone from `nba check` or `nba plugin list`: unless ``quiet``
    it is named on the error console, and the other commands work.
    """
    plugins = load_plugins()
    for name, command in plugins.register.commands.items():
        if group.commands.get(name) is command:
            continue  # added by an earlier call in this process
        if name in group.commands:
            owner = plugins.register.commands.plugin(name)
            errors.print(f"plugin {owner} offers the command {name!r}, which is built in; left out")
            continue
        group.add_command(command, name)
    for mistake in () if quiet else plugins.mistakes:
        errors.print(f"warning: {mistake.file}: {mistake.message}", markup=False, highlight=False)


@click.group("plugin")
def plugin_group() -> None:
    """See which plugins are installed and what they bring; write a new one.

    \b
    nba plugin list
    nba plugin new nba-store-hours --kind rule-function
    nba plugin check store_hours
    """  # noqa: D301 (click reads the backspace as: keep these lines)


@plugin_group.command("list")
@click.option(
    "-s",
    "--settings",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="NBA_SETTINGS",
    help="Take [plugins] disabled and optional from this settings file.",
)
def list_command(settings: Path | None) -> int:
    """Show every installed plugin: versions, hooks, whether it was loaded, and why not.

    Exit code 1 when a plugin that is not optional is broken.

    \b
    nba plugin list -s nba.toml
    """  # noqa: D301 (click reads the backspace as: keep these lines)
    found = None
    if settings is not None:
        found, mistakes = read_settings(settings)
        if found is None:
            raise MistakesFound(mistakes)
    plugins = load_plugins(found.plugins if found else None)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("plugin", "version", "distribution", "API", "hooks", "state"):
        table.add_column(heading, overflow="fold")
    for status in plugins.statuses:
        table.add_row(
            status.name,
            status.version,
            status.distribution,
            status.api,
            ", ".join(hook.removeprefix("nba_") for hook in status.hooks),
            "[green]loaded[/]" if status.loaded else f"[red]{status.problem}[/]",
        )
    output.print(table)
    return 1 if plugins.mistakes else 0


plugin_group.add_command(check_plugin_command)
plugin_group.add_command(new_command)
