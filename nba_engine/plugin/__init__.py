"""Hook specifications and the plugin manager; nothing else knows pluggy. See docs/plugins.md.

A plugin is a module (or object) named by an entry point of the group ``nba_engine`` whose
functions are marked with `hookimpl`::

    from nba_engine.plugin import hookimpl

    nba_plugin_api = "1.0"

    @hookimpl
    def nba_stages():
        return {"my_stage": StageFactory(build=MyStage)}
"""

from nba_engine.plugin.factories import RuntimeFactory, StoreFactory
from nba_engine.plugin.manager import GROUP, Plugins, PluginStatus, load_plugins
from nba_engine.plugin.markers import hookimpl, hookspec
from nba_engine.plugin.patience import told_when_slow
from nba_engine.plugin.register import NameTaken, Offers, Register
from nba_engine.plugin.sections import SettingsSection, settings_sections
from nba_engine.plugin.version import API_VERSION, DECLARATION, api_problem
from nba_engine.plugin.whereabouts import line_of

__all__ = [
    "API_VERSION",
    "DECLARATION",
    "GROUP",
    "NameTaken",
    "Offers",
    "PluginStatus",
    "Plugins",
    "Register",
    "RuntimeFactory",
    "SettingsSection",
    "StoreFactory",
    "api_problem",
    "hookimpl",
    "hookspec",
    "line_of",
    "load_plugins",
    "settings_sections",
    "told_when_slow",
]
