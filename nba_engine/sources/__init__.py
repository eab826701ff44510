"""The built-in sources. Ordinary plugins: they import only what any plugin may."""

from nba_engine.sources.columns import interaction, profile
from nba_engine.sources.files import CSV, JSONL, FileSettings, FileSource, Holds
from nba_engine.sources.plugin import nba_sources
from nba_engine.sources.rows import RowError, json_row, named, to_seconds

__all__ = [
    "CSV",
    "JSONL",
    "FileSettings",
    "FileSource",
    "Holds",
    "RowError",
    "interaction",
    "json_row",
    "named",
    "nba_sources",
    "profile",
    "to_seconds",
]
