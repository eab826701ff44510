"""The batch engine `ray`: partitions stay in actors of a Ray cluster. See the README."""

from __future__ import annotations

from collections.abc import Mapping

from nba_engine.domain import BatchEngineFactory
from nba_engine.plugin import hookimpl
from nba_ray.engine import RayEngine, RaySettings

__all__ = ["RAY", "nba_batch_engines", "nba_plugin_api"]

nba_plugin_api = "1.0"

RAY = BatchEngineFactory(build=RayEngine, settings=RaySettings)


@hookimpl
def nba_batch_engines() -> Mapping[str, BatchEngineFactory]:
    """Offer the batch engine `ray`; `[batch] engine` of nba.toml names it."""
    return {"ray": RAY}
