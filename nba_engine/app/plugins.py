"""Loads the built-in plugins and the installed ones."""

from __future__ import annotations

from nba_engine import __version__
from nba_engine.app import builtin
from nba_engine.plugin import Plugins
from nba_engine.plugin import load_plugins as _load
from nba_engine.settings import PluginSettings

__all__ = ["BUILTIN", "load_plugins"]

BUILTIN = "builtin"  # the plugin that comes with the engine


def load_plugins(settings: PluginSettings | None = None) -> Plugins:
    """Every plugin, loaded or told why not; never raises for a broken one.

    ``.require()`` gives the register or raises `MistakesFound`, ``.statuses`` tells what became
    of each. Without settings no plugin is optional or disabled.
    """
    settings = settings or PluginSettings()
    return _load(
        {BUILTIN: builtin},
        optional=settings.optional,
        disabled=settings.disabled,
        version=__version__,
    )
