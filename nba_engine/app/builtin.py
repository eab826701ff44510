"""The plugin ``builtin``: all that comes with the engine, offered through anybody's hooks."""

from __future__ import annotations

from collections.abc import Mapping

from nba_engine.app.examples import nba_conformance
from nba_engine.batch import nba_batch_engines
from nba_engine.domain import ModelRuntime, Store
from nba_engine.plugin import RuntimeFactory, StoreFactory, hookimpl
from nba_engine.sinks import nba_sinks
from nba_engine.sources import nba_sources
from nba_engine.stages import nba_channels, nba_rule_functions, nba_stages
from nba_engine.store import open_store

__all__ = [
    "nba_batch_engines",
    "nba_channels",
    "nba_conformance",
    "nba_model_runtimes",
    "nba_plugin_api",
    "nba_rule_functions",
    "nba_sinks",
    "nba_sources",
    "nba_stages",
    "nba_stores",
]

nba_plugin_api = "1.0"


@hookimpl
def nba_stores() -> Mapping[str, StoreFactory]:
    """``sqlite:``, the embedded store."""
    return {"sqlite": _open_sqlite}


@hookimpl
def nba_model_runtimes() -> Mapping[str, RuntimeFactory]:
    """``onnx``."""
    return {"onnx": _onnx}


def _open_sqlite(url: str, *, create: bool, simulated: bool | None) -> Store:
    return open_store(url, create=create, simulated=simulated)


def _onnx() -> ModelRuntime:
    from nba_engine.models import OnnxRuntime

    return OnnxRuntime()
