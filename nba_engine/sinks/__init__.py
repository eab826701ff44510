"""The built-in sink. An ordinary plugin: it imports only what any plugin may."""

from nba_engine.sinks.jsonl import JSONL, JsonLines, JsonLinesSettings
from nba_engine.sinks.plugin import nba_sinks

__all__ = ["JSONL", "JsonLines", "JsonLinesSettings", "nba_sinks"]
