"""The committed JSON Schemas: up to date, legal, explained, and true of files that are right."""

from __future__ import annotations

import datetime as dt
import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

from nba_engine.app import BUILTIN, load_plugins
from nba_engine.app.schemas import CATALOG_SCHEMA, SETTINGS_SCHEMA, schema_files
from nba_engine.plugin import SettingsSection, settings_sections
from nba_engine.settings import Settings, descriptions_of
from tests.catalog.test_documented import SECTIONS as CATALOG_SECTIONS
from tests.catalog.test_documented import STRUCTS as CATALOG_STRUCTS
from tests.catalog.test_documented import section as catalog_section
from tests.settings.test_documented import SECTIONS as SETTINGS_SECTIONS
from tests.settings.test_documented import section as settings_section

ROOT = Path(__file__).parents[2]
BUILT_IN = [s for s in settings_sections(load_plugins().register) if s.plugin == BUILTIN]
CATALOGS = sorted(
    {
        *ROOT.glob("tests/scenarios/catalogs/*.toml"),
        *ROOT.glob("tests/integration/shop/catalog/*.toml"),
    }
)


def plain(value: Any) -> Any:
    """TOML's values as a JSON Schema sees them: dates and times are text."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value.isoformat() if isinstance(value, dt.date | dt.time) else value


def wrong(name: str, text: str) -> list[str]:
    """What the committed schema has against a TOML text."""
    schema = json.loads((ROOT / "schemas" / name).read_text())
    validator = jsonschema.Draft202012Validator(schema)
    return [error.message for error in validator.iter_errors(plain(tomllib.loads(text)))]


def blocks(page: str, first_line: str) -> Iterator[str]:
    for block in re.findall(r"^```toml\n(.*?)^```", (ROOT / page).read_text(), re.S | re.M):
        if block.startswith(first_line):
            yield block


@pytest.mark.parametrize("name", [SETTINGS_SCHEMA, CATALOG_SCHEMA])
def test_the_committed_schemas_are_what_the_command_writes(name: str) -> None:
    committed = (ROOT / "schemas" / name).read_text()
    assert committed == schema_files(BUILT_IN)[name], "run: make schemas"
    jsonschema.Draft202012Validator.check_schema(json.loads(committed))


@pytest.mark.parametrize("path", CATALOGS, ids=lambda path: str(path.relative_to(ROOT)))
def test_catalogs_that_are_right_fit(path: Path) -> None:
    assert wrong(CATALOG_SCHEMA, path.read_text()) == []


def test_the_examples_of_the_docs_fit() -> None:
    (catalog,) = blocks("docs/catalog.md", "[catalog]")
    assert wrong(CATALOG_SCHEMA, catalog) == []
    (settings,) = blocks("docs/settings.md", "[store]")
    assert wrong(SETTINGS_SCHEMA, settings) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("pipeline = []", "[] should be non-empty"),
        ("[server]", "'pipeline' is a required property"),
        ('[[pipeline]]\nstage = "slat"', "'slat' is not one of"),
        ('[[pipeline]]\nstage = "slate"\nsettings = { a = 1 }', "'a' was unexpected"),
        ('[[pipeline]]\nstage = "cross_sell"\nsettings = { boost = "x" }', "'x' is not of type"),
        ('[[pipeline]]\nstage = "slate"\n[sinks.a]\nkind = "json"', "'json' is not one of"),
        ('[[pipeline]]\nstage = "slate"\n[server]\nthreads = 0', "0 is less than the minimum"),
    ],
)
def test_settings_that_are_wrong_do_not(text: str, message: str) -> None:
    (found,) = wrong(SETTINGS_SCHEMA, text)
    assert message in found


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('rules.a = { tier = "eligibility" }', "is not valid under any of the given schemas"),
        ('rules.a = { tier = "eligibility", when = "x", table = "t.csv" }', "is valid under each"),
        ('channels.a = { kind = "fax" }', "'fax' is not one of ['template']"),
        ("channels.a = { settings = { x = 1 } }", "'x' was unexpected"),
        ('actions."a b" = {}', "'a b' does not match any of the regexes"),
        ('attributes.a-b = { type = "int" }', "'a-b' does not match any of the regexes"),
        ('actions.a = { owned_for = "7 days" }', "'7 days' does not match"),
        ("limits.a = { measure = 'money', window = 'day', amount = -1 }", "-1 is less than"),
        ('control_group = { share = "0.5" }', "'0.5' is not of type 'number'"),
    ],
)
def test_catalogs_that_are_wrong_do_not(text: str, message: str) -> None:
    (found,) = wrong(CATALOG_SCHEMA, text)
    assert message in found


def test_every_field_of_settings_catalog_and_built_in_plugins_is_explained() -> None:
    structs = [CATALOG_STRUCTS[name] for name in CATALOG_SECTIONS]
    structs += [*SETTINGS_SECTIONS.values(), *(section.settings for section in BUILT_IN)]
    without = {
        f"{struct.__name__}.{field}"
        for struct in structs
        for field in set(struct.__struct_fields__) - set(descriptions_of(struct))
    }
    assert without == set()


def _meanings(text: str) -> dict[str, str]:
    """Key → the last cell of its row, without links."""
    rows = re.findall(r"^\| (`[^|]+`) \|(?:.*\|)? (.*?) \|$", text, re.M)
    return {
        key: re.sub(r"\[([^\]]+)\]\([^)]+\)", r"\1", told)
        for keys, told in rows
        for key in re.findall(r"`(\w+)`", keys)
    }


@pytest.mark.parametrize("name", [*CATALOG_SECTIONS, *SETTINGS_SECTIONS])
def test_editors_and_docs_say_the_same(name: str) -> None:
    if name in CATALOG_SECTIONS:
        struct = CATALOG_STRUCTS[name]
        text = catalog_section(CATALOG_SECTIONS[name]).partition("| `kind` | is |")[0]
    else:
        struct, text = SETTINGS_SECTIONS[name], settings_section(name)
    assert descriptions_of(struct) == _meanings(text)


class WeekendSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``factor``: on the value of what is offered on weekends."""

    factor: float = 2.0


def test_what_plugins_bring_is_known_and_checked() -> None:
    weekend = SettingsSection(
        kind="stage", name="weekend", settings=WeekendSettings, plugin="nba-weekend"
    )
    schema = json.loads(schema_files([*BUILT_IN, weekend])[SETTINGS_SCHEMA])
    validator = jsonschema.Draft202012Validator(schema)
    right = {"pipeline": [{"stage": "weekend", "settings": {"factor": 3}}, {"stage": "slate"}]}
    assert validator.is_valid(right)
    wrong = {"pipeline": [{"stage": "weekend", "settings": {"fcator": 3}}]}
    assert [error.message for error in validator.iter_errors(wrong)] == [
        "Additional properties are not allowed ('fcator' was unexpected)"
    ]
    item = schema["properties"]["pipeline"]["items"]["properties"]
    told = [
        part["properties"]["factor"]
        for part in item["settings"]["anyOf"][1:]
        if "factor" in part["properties"]
    ]
    assert told[0]["description"] == "on the value of what is offered on weekends"


def test_the_top_of_the_settings_is_explained() -> None:
    schema = schema_files(BUILT_IN)[SETTINGS_SCHEMA]
    properties = json.loads(schema)["properties"]
    assert set(properties) == {field.name for field in msgspec.structs.fields(Settings)}
    assert [name for name, found in properties.items() if not found.get("description")] == []
