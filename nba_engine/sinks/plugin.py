"""The built-in sink, offered through the same hook as a stranger's."""

from __future__ import annotations

from collections.abc import Mapping

from nba_engine.domain import SinkFactory
from nba_engine.plugin import hookimpl
from nba_engine.sinks.jsonl import JSONL

__all__ = ["nba_sinks"]


@hookimpl
def nba_sinks() -> Mapping[str, SinkFactory]:
    """``jsonl``."""
    return {"jsonl": JSONL}
