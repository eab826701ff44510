from __future__ import annotations

import json
import re
from pathlib import Path
from typing import get_args, get_origin

import msgspec
import pytest

from nba_engine.settings import (
    REQUIRED,
    Settings,
    SinkSettings,
    StageSettings,
    Written,
    load_settings,
)

PAGE = (Path(__file__).parents[2] / "docs/settings.md").read_text()
SECTIONS = {
    field.name: field.type
    for field in msgspec.structs.fields(Settings)
    if isinstance(field.type, type) and issubclass(field.type, msgspec.Struct)
} | {"pipeline": StageSettings, "sinks": SinkSettings}


def section(name: str) -> str:
    """The part of the page under the heading of that table."""
    for part in re.split(r"^## ", PAGE, flags=re.MULTILINE):
        if re.search(rf"`\[+{name}\]+`", part.partition("\n")[0]):
            return part
    pytest.fail(f"docs/settings.md has no heading for {name}")


@pytest.mark.parametrize("field", msgspec.structs.fields(Settings), ids=lambda field: field.name)
def test_every_table_has_a_section(field: msgspec.structs.FieldInfo) -> None:
    assert section(field.name)
    assert field.name in SECTIONS or get_origin(field.type) is dict


@pytest.mark.parametrize("name", SECTIONS)
def test_the_page_tells_of_exactly_the_keys_there_are_with_their_defaults(name: str) -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \|(.*)\|$", section(name), re.MULTILINE))
    fields = {field.name: field for field in msgspec.structs.fields(SECTIONS[name])}
    assert set(rows) == set(fields)
    for key, field in fields.items():
        default = rows[key].split("|")[1].strip()
        told = default.strip("`").strip('"')
        value = "required" if REQUIRED in get_args(field.type) else field.default
        for mark in get_args(field.type):
            if isinstance(mark, Written) and isinstance(value, float):
                told = str(mark.parse(told))
        if isinstance(value, bool):
            assert told == str(value).lower()
        elif isinstance(value, tuple) and value:
            assert json.loads(told) == list(value)
        elif value is not None and value is not msgspec.NODEFAULT and value != ():
            assert told == str(value)
        for word in get_args(field.type):
            if isinstance(word, str):
                assert f'`"{word}"`' in rows[key]


def test_the_small_file_is_right(tmp_path: Path) -> None:
    example = re.findall(r"^```toml\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)[0]
    (tmp_path / "nba.toml").write_text(example)
    (tmp_path / "catalog").mkdir()
    (tmp_path / "models/propensity").mkdir(parents=True)
    settings = load_settings(tmp_path / "nba.toml", {})
    assert [stage.stage for stage in settings.pipeline][:2] == ["profile", "eligibility"]
