"""The built-in sources, offered through the same hook as a stranger's."""

from __future__ import annotations

from collections.abc import Mapping

from nba_engine.domain import SourceFactory
from nba_engine.plugin import hookimpl
from nba_engine.sources.files import CSV, JSONL

__all__ = ["nba_sources"]


@hookimpl
def nba_sources() -> Mapping[str, SourceFactory]:
    """``jsonl`` and ``csv``."""
    return {"csv": CSV, "jsonl": JSONL}
