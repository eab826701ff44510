"""The built-in store and model runtime, offered through the same hooks as anybody's."""

from __future__ import annotations

from collections.abc import Mapping

from nba_engine.domain import ModelRuntime, Store
from nba_engine.plugin import RuntimeFactory, StoreFactory, hookimpl
from nba_engine.store import open_store

__all__ = ["nba_model_runtimes", "nba_stores"]


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
