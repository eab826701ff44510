"""`nba plugin`: what is installed; and the commands that plugins add."""

from __future__ import annotations

from pathlib import Path

import click
from rich.table import Table

from nba_engine.cli.output import output, settings_option

__all__ = ["add_plugin_commands", "plugin_group"]


@click.group("plugin")
def plugin_group() -> None:
    """See which plugins are installed and what they bring."""
