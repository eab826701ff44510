"""Batch engines of plugins: chosen by the settings or by name, and every mistake is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from nba_engine.app import check, load_plugins, make_batch_engine
from nba_engine.batch import LocalEngine
from nba_engine.errors import MistakesFound
from nba_engine.settings import BatchSettings
from tests.app.folder import SETTINGS, write
from tests.plugin.distributions import Distributions, distributions

__all__ = ["distributions"]

ENGINES = """
import msgspec
from nba_engine.domain import BatchEngineFactory
from nba_engine.plugin import hookimpl

nba_plugin_api = "1.0"

class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    address: str = ""

def far(settings):
    raise OSError(f"no route to {settings.address}")

@hookimpl
def nba_batch_engines():
    return {"far": BatchEngineFactory(build=far, settings=Settings)}
"""


def told(folder: Path, distributions: Distributions, batch: str) -> list[str]:
    return [str(one) for one in check(write(folder, distributions, settings=SETTINGS + batch))]


def test_the_built_in_one_is_the_default() -> None:
    register = load_plugins().require()
    engine = make_batch_engine(BatchSettings(), register)
    assert isinstance(engine, LocalEngine)
    three = make_batch_engine(BatchSettings(settings={"workers": 3}), register)
    assert three.workers == 3


def test_a_plugins_engine_is_made_with_its_settings(distributions: Distributions) -> None:
    distributions.install("nba-far", ENGINES, plugin="far")
    register = load_plugins().require()
    settings = BatchSettings(engine="far", settings={"address": "10.1.1.1"})
    with pytest.raises(MistakesFound, match=r"'far' of plugin 'far' .*no route to 10\.1\.1\.1"):
        make_batch_engine(settings, register)
    # another one by name: the table is not for it
    assert isinstance(make_batch_engine(settings, register, name="local"), LocalEngine)


def test_an_engine_nobody_offers_is_a_mistake(tmp_path: Path, distributions: Distributions) -> None:
    (mistake,) = told(tmp_path, distributions, '[batch]\nengine = "locl"\n')
    assert "batch.engine" in mistake
    assert 'did you mean "local"?' in mistake


def test_settings_that_do_not_fit_are_a_mistake(
    tmp_path: Path, distributions: Distributions
) -> None:
    (mistake,) = told(tmp_path, distributions, "[batch]\nsettings = { worker = 2 }\n")
    assert "batch.settings.worker" in mistake
