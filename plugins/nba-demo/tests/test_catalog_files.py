from __future__ import annotations

from pathlib import Path

from nba_demo.catalog_files import ASKED, catalog_files
from nba_demo.checks import count_candidates
from nba_engine.app import App, check

from .conftest import Small


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
