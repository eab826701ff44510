"""Hook specifications and the plugin manager; nothing else knows pluggy. See docs/plugins.md.

A plugin is a module (or object) named by an entry point of the group ``nba_engine`` whose
functions are marked with `hookimpl`::

    from nba_engine.plugin import hookimpl

    @hookimpl
    def nba_stages():
        return {"my_stage": StageFactory(build=MyStage)}
"""

from nba_engine.plugin.factories import RuntimeFactory, StoreFactory
from nba_engine.plugin.manager import GROUP, Plugins, PluginStatus, load_plugins
from nba_engine.plugin.markers import hookimpl, hookspec
from nba_engine.plugin.register import NameTaken, Offers, Register

__all__ = [
    "GROUP",
    "NameTaken",
    "Offers",
    "PluginStatus",
    "Plugins",
    "Register",
    "RuntimeFactory",
    "StoreFactory",
    "hookimpl",
    "hookspec",
    "load_plugins",
]
