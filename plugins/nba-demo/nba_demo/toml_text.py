"""Writing TOML: just what the demo's files need."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

__all__ = ["CATALOG_SCHEMA", "SETTINGS_SCHEMA", "Bare", "file_text", "pairs", "section"]


CATALOG_SCHEMA = "../schemas/catalog.schema.json"
SETTINGS_SCHEMA = "./schemas/nba.schema.json"


class Bare(msgspec.Struct, frozen=True):
    """Text that TOML writes without quotes: a date."""

    text: str


def file_text(about: str, parts: Sequence[str], *, schema: str = CATALOG_SCHEMA) -> str:
    """A whole file: the schema that editors check it with, what it is about, then its tables."""
    return "\n".join([f"#:schema {schema}", f"# Written by `nba demo`. {about}", "", *parts])


def section(name: str, values: Mapping[str, Any]) -> str:
    """A table with its heading."""
    return f"[{name}]\n{pairs(values)}"


def pairs(values: Mapping[str, Any]) -> str:
    """A line per key; tables inside are written inline."""
    return "".join(f"{key} = {_toml(value)}\n" for key, value in values.items())


def _toml(value: Any) -> str:
    if isinstance(value, Bare):
        return value.text
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {_toml(entry)}" for key, entry in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml(entry) for entry in value) + "]"
    return repr(value)
