"""The composition root: reads settings, loads plugins, wires everything. Only it knows all."""

from nba_engine.app.app import App, open_app
from nba_engine.app.batch import make_batch_engine
from nba_engine.app.check import check
from nba_engine.app.logged import Logged, open_logged
from nba_engine.app.plugins import BUILTIN, load_plugins
from nba_engine.app.retention import forget_catalogs, forget_interactions, forget_windows
from nba_engine.app.rotation import midnight

__all__ = [
    "BUILTIN",
    "App",
    "Logged",
    "check",
    "forget_catalogs",
    "forget_interactions",
    "forget_windows",
    "load_plugins",
    "make_batch_engine",
    "midnight",
    "open_app",
    "open_logged",
]
