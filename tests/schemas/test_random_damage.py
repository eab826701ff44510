"""Whatever is written: the schema and the reader reject the same, as far as types and keys go."""

from __future__ import annotations

import copy
import math
import tomllib
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nba_engine.catalog import catalog_schema
from nba_engine.catalog.findings import Findings
from nba_engine.catalog.read import merge
from nba_engine.settings import Settings, convert, join, json_schema
from tests.catalog import test_random_damage as damage
from tests.catalog.conftest import DATA
from tests.catalog.test_mistakes import CASES
from tests.schemas.test_files import plain

CATALOG = jsonschema.Draft202012Validator(catalog_schema())
SETTINGS = jsonschema.Draft202012Validator(json_schema(Settings))
SHOP = tomllib.loads("\n".join(path.read_text() for path in sorted(DATA.glob("shop/*.toml"))))
NBA = {
    "server": {"listen": "127.0.0.1:0", "threads": 4, "grace_seconds": 1.5},
    "store": {"url": "sqlite:nba.db", "request_window": "1h"},
    "models": {"propensity": "models/propensity"},
    "pipeline": [
        {"stage": "profile"},
        {"stage": "slate", "on_error": "fail", "timeout_ms": 5.0, "settings": {"x": 1}},
    ],
    "sinks": {"lines": {"kind": "jsonl", "takes": ["decisions"], "queue": 5}},
    "plugins": {"disabled": ["nba-sms"]},
    "logging": {"level": "debug"},
}
# JSON has neither dates nor a number that is none
JUNK = [
    junk
    for junk in damage.JUNK
    if plain(junk) == junk and not (isinstance(junk, float) and not math.isfinite(junk))
]


def damaged(tables: dict[str, Any], data: st.DataObject) -> dict[str, Any]:
    """A copy with one to three things exchanged, renamed or taken out."""
    tables = copy.deepcopy(tables)
    for _ in range(data.draw(st.integers(1, 3))):
        *way, last = data.draw(st.sampled_from(list(damage.paths(tables))))
        target: Any = tables
        for step in way:
            target = target[step]
        what = data.draw(st.sampled_from(["exchange", "rename", "remove"]))
        if what == "exchange" or isinstance(target, list):
            target[last] = copy.deepcopy(data.draw(st.sampled_from(JUNK)))
        elif what == "rename":
            target[data.draw(st.sampled_from(["x", "name", "tyep"]))] = target.pop(last)
        else:
            del target[last]
    return tables


def read(tables: dict[str, Any]) -> list[str]:
    """What the reader has against a catalog's tables, before they are checked against others."""
    findings = Findings()
    text = "\n".join(f"{join('', k)} = {damage.written(v)}" for k, v in tables.items())
    merge({"all.toml": text}, findings)
    found = [str(mistake) for mistake in findings.mistakes]
    rules = () if found else (tables.get("rules") or {}).values()
    if any(("when" in rule) == ("table" in rule) for rule in rules):
        found.append("a rule has either when or table")
    limits = () if found else (tables.get("limits") or {}).values()
    if any("amount" not in limit and "at_least" not in limit for limit in limits):
        found.append("a limit has an amount, a minimum, or both")
    return found


def test_what_is_right_fits() -> None:
    assert list(CATALOG.iter_errors(plain(SHOP))) == []
    assert list(SETTINGS.iter_errors(NBA)) == []


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_catalog_fits_the_schema_when_the_reader_takes_it(data: st.DataObject) -> None:
    tables = damaged(SHOP, data)
    told = [each for each in read(tables) if "got a date" not in each]  # to JSON that is text
    errors = [error.message for error in CATALOG.iter_errors(plain(tables))]
    later = ("less than the minimum of 0", "is not of type 'string', 'number', 'boolean'")
    if told or not all(error.endswith(later) for error in errors):
        # amounts below 0 and what a property may equal are looked at when the catalog is compiled
        assert bool(told) is bool(errors), (told, errors)


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_settings_fit_the_schema_when_the_reader_takes_them(data: st.DataObject) -> None:
    tables = damaged(NBA, data)
    _, mistakes = convert(tables, Settings, "nba.toml", "")
    errors = [error.message for error in SETTINGS.iter_errors(tables)]
    assert bool(mistakes) is bool(errors), (mistakes, errors)


@pytest.mark.parametrize(
    "case",
    [
        case
        for case in CASES
        if "toml" in case
        and any(
            part in case["message"]
            for part in ("unknown key", "unknown table", "expected ", "is not one of", "is missing")
        )
        and "quoted" not in case["name"]
    ],
    ids=lambda case: str(case["name"]),
)
def test_known_mistakes_of_keys_and_types_are_rejected(case: dict[str, Any]) -> None:
    assert not CATALOG.is_valid(plain(tomllib.loads(case["toml"])))
