from __future__ import annotations

import json
import tomllib
from pathlib import Path

import jsonschema

from nba_demo.catalog_files import ASKED, catalog_files
from nba_demo.checks import count_candidates
from nba_engine.app import App, check

from .small import Small


def test_what_the_demo_writes_has_no_mistakes(folder: Path) -> None:
    assert check(folder / "nba.toml", environ={}) == []


def test_the_catalog_holds_every_kind_of_thing_the_demo_shows(app: App, small: Small) -> None:
    catalog = app.engine.catalog
    kinds = {action.kind for action in catalog.actions}
    assert kinds == {"offer", "win_back", "loyalty", "nothing"}
    assert set(catalog.channels) == {"app", "email", "letter", "call"}
    assert set(catalog.rules) == {"eligibility", "applicability", "suitability"}
    scopes = {limit.scope for limit in catalog.limits}
    assert {("customer",), ("campaign",), ("channel",)} <= scopes
    assert any(not isinstance(limit.amount, int | float) for limit in catalog.limits)
    assert catalog.control_group.share > 0
    assert sum(action.kind == "offer" for action in catalog.actions) == len(small.offers)


def test_everything_assumed_is_marked(app: App) -> None:
    catalog = app.engine.catalog
    assert all("assumption" in channel.assumption for channel in catalog.channels.values())
    assert all("assumption" in limit.assumption for limit in catalog.limits)


def test_candidates_counted_from_the_files_are_those_of_the_engine(app: App, folder: Path) -> None:
    counted = count_candidates(folder)
    assert counted == {name: len(app.engine.catalog.fitting(name)) for name in ASKED}


def test_the_files_depend_on_nothing_but_the_data(small: Small) -> None:
    first = catalog_files(small.offers, small.trained.popularity)
    assert first == catalog_files(small.offers, small.trained.popularity)
    assert not any("/work" in text for text in first.values())


def test_a_decision_table_keeps_vouchers_from_households_where_they_do_not_pay(app: App) -> None:
    warnings = [str(each) for each in app.engine.catalog.warnings]  # type: ignore[attr-defined]
    assert [each for each in warnings if "vouchers" in each] == []
    catalog = app.engine.catalog
    unit = next(
        at
        for at, treatment in enumerate(catalog.treatments)
        if treatment.channel == "letter"
        and 2 <= catalog.actions[catalog.action_index[treatment.action]].attributes["price"] < 4
    )
    table = catalog.rules["suitability"]
    wrong = {"spent_lately": 79.0, "visits_60d": 5.0}
    failed = next(f for f in table.explain(unit, wrong, {}, 0.0) if "vouchers" in f.rule)
    assert failed.rule == "vouchers_where_they_pay"
    assert failed.text == "customer.spent_lately >= 80 (tables/vouchers.csv:3 “everyday”)"
    assert [change.value for change in failed.changes] == [80.0]


def test_every_toml_file_names_its_schema_and_fits_it(folder: Path) -> None:
    files = [folder / "nba.toml", *sorted((folder / "catalog").glob("*.toml"))]
    assert len(files) > 5
    for file in files:
        text = file.read_text("utf-8")
        directive, _, _ = text.partition("\n")
        schema = (file.parent / directive.removeprefix("#:schema ")).resolve()
        assert schema.parent == (folder / "schemas").resolve()
        validator = jsonschema.Draft202012Validator(json.loads(schema.read_text("utf-8")))
        raw = json.loads(json.dumps(tomllib.loads(text), default=str))
        assert [error.message for error in validator.iter_errors(raw)] == []
