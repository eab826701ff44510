"""The built-in batch engine, offered through the same hook as a stranger's."""

from __future__ import annotations

from collections.abc import Mapping

from nba_engine.batch.local import LocalEngine, LocalSettings
from nba_engine.domain import BatchEngineFactory
from nba_engine.plugin import hookimpl

__all__ = ["LOCAL", "nba_batch_engines"]

LOCAL = BatchEngineFactory(build=LocalEngine, settings=LocalSettings)


@hookimpl
def nba_batch_engines() -> Mapping[str, BatchEngineFactory]:
    """``local``."""
    return {"local": LOCAL}
