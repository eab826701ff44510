"""JSON Schemas of `nba.toml` and of a catalog's files, with the settings that plugins bring."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from nba_engine.catalog import catalog_schema
from nba_engine.plugin import SettingsSection
from nba_engine.settings import Settings, json_schema

__all__ = ["CATALOG_SCHEMA", "SETTINGS_SCHEMA", "schema_files"]

SETTINGS_SCHEMA, CATALOG_SCHEMA = "nba.schema.json", "catalog.schema.json"
_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema_files(sections: Iterable[SettingsSection]) -> dict[str, str]:
    """File name → JSON text, for the plugins whose settings these are."""
    by_kind: dict[str, dict[str, SettingsSection]] = {}
    for section in sections:
        by_kind.setdefault(section.kind, {})[section.name] = section
    schemas = {
        SETTINGS_SCHEMA: ("nba-engine: settings", _settings(by_kind)),
        CATALOG_SCHEMA: ("nba-engine: catalog", _catalog(by_kind)),
    }
    return {
        name: json.dumps(
            {"$schema": _DIALECT, "title": title} | schema, indent=1, ensure_ascii=False
        )
        + "\n"
        for name, (title, schema) in schemas.items()
    }


_ByKind = Mapping[str, Mapping[str, SettingsSection]]


def _settings(by_kind: _ByKind) -> dict[str, Any]:
    schema = json_schema(Settings)
    schema["description"] = "Settings of nba-engine: nba.toml"
    schema["required"] = ["pipeline"]
    properties = schema["properties"]
    properties["pipeline"]["minItems"] = 1
    _choose(properties["pipeline"]["items"], "stage", by_kind.get("stage", {}))
    _choose(properties["sinks"]["additionalProperties"], "kind", by_kind.get("sink", {}))
    _choose(properties["sources"]["additionalProperties"], "kind", by_kind.get("source", {}))
    _choose(properties["batch"], "engine", by_kind.get("batch engine", {}))
    if sources := by_kind.get("profile source"):  # none is built in
        _choose(properties["profile_sources"]["additionalProperties"], "kind", sources)
    return schema


def _catalog(by_kind: _ByKind) -> dict[str, Any]:
    schema = catalog_schema()
    schema["description"] = "A file of a catalog of nba-engine"
    (channel,) = schema["properties"]["channels"]["patternProperties"].values()
    _choose(channel, "kind", by_kind.get("channel kind", {}))
    return schema


def _choose(table: dict[str, Any], key: str, sections: Mapping[str, SettingsSection]) -> None:
    """Let ``key`` of a table name one of the sections, and check ``settings`` by it.

    Editors take their proposals from ``anyOf``, which lets everything pass, and do not look into
    ``if``, which does not.
    """
    properties = table["properties"]
    choice = properties[key]
    choice |= {"enum": list(sections)}
    structs = {name: json_schema(section.settings) for name, section in sections.items()}
    properties["settings"]["anyOf"] = [{}, *_distinct(structs.values())]
    table["allOf"] = [
        {
            "if": {
                "properties": {key: {"const": name}},
                "required": [] if name == choice.get("default") else [key],
            },
            "then": {"properties": {"settings": struct}},
        }
        for name, struct in structs.items()
    ]


def _distinct(schemas: Iterable[dict[str, Any]]) -> Sequence[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for schema in schemas:
        if schema["properties"] and schema not in found:
            found.append(schema)
    return found
