"""PostgreSQL as the store of nba-engine: `[store] url = "postgresql://…"`."""

from __future__ import annotations

from collections.abc import Mapping

from nba_engine.domain import Store
from nba_engine.plugin import StoreFactory, hookimpl

__all__ = ["nba_plugin_api", "nba_stores"]

nba_plugin_api = "1.0"


@hookimpl
def nba_stores() -> Mapping[str, StoreFactory]:
    """``postgresql:``, the store for several machines."""
    return {"postgresql": _open}


def _open(url: str, *, create: bool, simulated: bool | None) -> Store:
    from nba_postgres.store import open_store  # here, so that listing plugins loads no driver

    return open_store(url, create=create, simulated=simulated)
