"""Frozen structs of ``nba.toml``, and the reader that reports every mistake in one run."""

from nba_engine.settings.convert import (
    REQUIRED,
    Unreadable,
    Written,
    convert,
    convert_leniently,
)
from nba_engine.settings.durations import DURATION, parse_duration, write_duration
from nba_engine.settings.json_schema import descriptions_of, json_schema
from nba_engine.settings.load import load_settings, parse_toml, read_settings, read_text
from nba_engine.settings.places import add_lines, choose, join, line_of, suggest
from nba_engine.settings.schema import (
    BreakerSettings,
    CatalogSettings,
    LoggingSettings,
    OfferedModel,
    PluginSettings,
    ProfileSourceSettings,
    RetentionSettings,
    SecuritySettings,
    ServerSettings,
    Settings,
    SinkSettings,
    SourceSettings,
    StageSettings,
    StoreSettings,
    is_loopback,
)

__all__ = [
    "DURATION",
    "REQUIRED",
    "BreakerSettings",
    "CatalogSettings",
    "LoggingSettings",
    "OfferedModel",
    "PluginSettings",
    "ProfileSourceSettings",
    "RetentionSettings",
    "SecuritySettings",
    "ServerSettings",
    "Settings",
    "SinkSettings",
    "SourceSettings",
    "StageSettings",
    "StoreSettings",
    "Unreadable",
    "Written",
    "add_lines",
    "choose",
    "convert",
    "convert_leniently",
    "descriptions_of",
    "is_loopback",
    "join",
    "json_schema",
    "line_of",
    "load_settings",
    "parse_duration",
    "parse_toml",
    "read_settings",
    "read_text",
    "suggest",
    "write_duration",
]
