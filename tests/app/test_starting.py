"""Which catalog an engine starts with: its folder's or its store's."""

from __future__ import annotations

from pathlib import Path

import pytest

from nba_engine.app import open_app
from nba_engine.catalog import version_of
from nba_engine.errors import MistakesFound
from tests.app.folder import write
from tests.engine.test_publishing import BREAD, DEARER, FIRST
from tests.engine.world import CATALOG, ask
from tests.plugin.distributions import Distributions, distributions

__all__ = ["distributions"]

WORDS = """
from nba_engine.domain import RuleFunction
from nba_engine.plugin import hookimpl

nba_plugin_api = "1.0"

@hookimpl
def nba_rule_functions():
    return {"twice": RuleFunction(parameters=("int",), result="int", call=lambda n: 2 * n)}
"""

FOLDERS, DEAR, BREADS = (version_of(files) for files in (FIRST, DEARER, BREAD))


def edit(path: Path, files: dict[str, str]) -> None:
    (path.parent / "catalog" / "shop.toml").write_text(files["shop.toml"])


def start(path: Path) -> tuple[str, str]:
    """Version in force after a start, and why."""
    with open_app(path, environ={}, publish=True) as app:
        return app.engine.catalog.version, app.engine.catalogs.why


@pytest.fixture
def path(tmp_path: Path, distributions: Distributions) -> Path:
    return write(tmp_path, distributions)


def test_the_first_start_puts_the_folder_in_force(path: Path) -> None:
    with open_app(path, environ={}, publish=True) as app:
        (publication,) = app.engine.store.publications()
        assert app.engine.catalogs.why == "the catalog folder's: the first of this store"
    assert (publication.version, publication.origin) == (FOLDERS, "folder")
    assert publication.switch_time == publication.time


def test_what_was_published_outlives_a_restart(path: Path) -> None:
    with open_app(path, environ={}, publish=True) as app:
        app.engine.catalogs.publish(DEARER, author="ada")
    version, why = start(path)
    assert version == DEAR
    assert why == (
        "the store's, published from files handed over by ada; "
        "the catalog folder has another one, not edited since"
    )


def test_a_folder_that_was_edited_is_put_in_force_at_the_next_start(path: Path) -> None:
    with open_app(path, environ={}, publish=True) as app:
        app.engine.catalogs.publish(DEARER)
    edit(path, BREAD)
    version, why = start(path)
    assert (version, why) == (BREADS, "the catalog folder's, which was edited since")
    assert start(path) == (BREADS, "the store's, published from the catalog folder")


def test_a_rollback_of_an_edited_folder_stays_after_a_restart(path: Path) -> None:
    start(path)
    edit(path, DEARER)
    with open_app(path, environ={}, publish=True) as app:
        assert app.engine.catalogs.rollback().publication.version == FOLDERS
    assert start(path)[0] == FOLDERS


def test_publishing_what_lies_in_the_folder_counts_as_looking_at_it(path: Path) -> None:
    with open_app(path, environ={}, publish=True) as app:
        edit(path, DEARER)
        app.engine.catalogs.publish(DEARER)
        app.engine.catalogs.publish(BREAD)
    assert start(path)[0] == BREADS


def test_without_publishing_an_edited_folder_decides_alone_and_can_be_explained(
    path: Path,
) -> None:
    start(path)
    edit(path, DEARER)
    with open_app(path, environ={}) as app:
        decision = app.engine.decide(ask(time=None, seed=None))
        assert app.engine.catalogs.why.endswith("; in this process alone")
        assert [one.version for one in app.engine.store.publications()] == [FOLDERS]
    assert decision.catalog_version == DEAR
    edit(path, FIRST)
    with open_app(path, environ={}, publish=True) as app:
        assert app.engine.catalog.version == FOLDERS
        assert app.engine.explain(decision.decision_id).decision.catalog_version == DEAR


def test_an_engine_follows_what_others_publish(path: Path) -> None:
    with (
        open_app(path, environ={}, publish=True) as app,
        open_app(path, environ={}) as other,
    ):
        edit(path, DEARER)
        done = app.engine.catalogs.publish_folder()
        assert (done.publication.origin, done.publication.folder) == ("folder", DEAR)
        while other.engine.catalog.version != DEAR:  # the test's timeout ends it
            other.engine.catalogs.step()


def test_a_stored_catalog_that_cannot_be_loaded_is_named_with_what_to_do(
    path: Path, distributions: Distributions
) -> None:
    distributions.install("nba-words", WORDS, plugin="words")
    doubled = CATALOG.replace("customer.age >= 18", "twice(customer.age) >= 36")
    with open_app(path, environ={}, publish=True) as app:
        version = app.engine.catalogs.publish({"shop.toml": doubled}).publication.version
    path.write_text(path.read_text() + '[plugins]\ndisabled = ["words"]\n')
    with pytest.raises(MistakesFound) as caught:
        start(path)
    assert [mistake.file for mistake in caught.value.mistakes] == [
        f"catalog {version}/shop.toml:80",
        f"catalog {version}",
    ]
    assert "nba catalog rollback" in caught.value.mistakes[-1].remedy
    edit(path, DEARER)
    assert start(path)[0] == DEAR


def test_a_folder_with_mistakes_stops_the_start(path: Path) -> None:
    start(path)
    edit(path, {"shop.toml": "[actions"})
    with pytest.raises(MistakesFound):
        start(path)
