"""A small part of the year, read once, and the engine that the demo builds from it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from nba_demo.actions import choose_offers
from nba_demo.catalog_files import write_catalog
from nba_demo.data import CUT_OFF, load_year
from nba_demo.importing import import_year
from nba_demo.offline import evaluate, train
from nba_demo.panel import make_panel
from nba_demo.training import publish_model
from nba_engine.app import App, open_app

from .small import Small

HOUSEHOLDS = 120


@pytest.hookimpl(tryfirst=True)  # before xdist reads the marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """These tests share what takes longest to build: one worker runs them all."""
    folder = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(folder):
            item.add_marker(pytest.mark.xdist_group("demo"))


@pytest.fixture(scope="session")
def small() -> Small:
    year = load_year(households=HOUSEHOLDS)
    offers = choose_offers(year)
    panel = make_panel(year, offers)
    trained = train(panel, offers)
    return Small(
        year=year,
        offers=offers,
        panel=panel,
        trained=trained,
        offline=evaluate(year, panel, trained),
    )


@pytest.fixture(scope="session")
def folder(small: Small, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's folder as it is before the replay."""
    folder = tmp_path_factory.mktemp("demo")
    publish_model(folder, small.trained, small.offline, small.year.data_hash)
    write_catalog(folder, small.offers, small.trained.popularity, listen="127.0.0.1:0")
    import_year(small.year, small.offers, folder / "data" / "nba.db", until=CUT_OFF, seed=2017)
    return folder


@pytest.fixture
def copied(folder: Path, tmp_path: Path) -> Path:
    """A copy of that folder, made by another process.

    Who closes a file of a database drops all locks that this process has on it, those of `app` too
    (sqlite.org/howtocorrupt.html, 2.2); the next process would begin the database's shared memory anew.
    """
    copy = tmp_path / "demo"
    subprocess.run(["cp", "-r", folder, copy], check=True, timeout=50)
    return copy


@pytest.fixture(scope="session")
def app(folder: Path) -> Iterator[App]:
    with open_app(folder / "nba.toml", environ={}) as app:
        yield app
