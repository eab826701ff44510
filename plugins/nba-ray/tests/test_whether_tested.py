"""Ray has an environment of its own, and this one lacks it: says loudly when nba-ray is not tested."""

from __future__ import annotations

import importlib.util
import os
import warnings
from pathlib import Path

import pytest

from nba_engine.app import load_plugins, make_batch_engine
from nba_engine.errors import MistakesFound
from nba_engine.settings import BatchSettings

ROOT = Path(__file__).parents[3]
TESTED = ROOT / "build" / "ray" / ".tested"  # `make ray` touches it when its tests have passed
WITH_RAY = importlib.util.find_spec("ray") is not None


def sources() -> list[Path]:
    folders = (ROOT / "plugins" / "nba-ray", ROOT / "nba_engine" / "batch")
    return [path for folder in folders for path in folder.rglob("*.py")]


def test_it_was_tested_with_ray_since_it_was_changed() -> None:
    if WITH_RAY:
        return  # its tests run beside this one
    newest = max(path.stat().st_mtime for path in sources())
    if TESTED.exists() and TESTED.stat().st_mtime >= newest:
        return
    text = "NOT TESTED: nba-ray was not tried with Ray since it was changed; `make ray` does it"
    if os.environ.get("CI") == "true":
        pytest.fail(text)
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        warnings.warn(text, stacklevel=1)
    pytest.skip(text)


def test_without_ray_it_is_offered_and_says_what_is_missing() -> None:
    register = load_plugins().require()
    assert register.batch_engines.plugin("ray") == "ray"
    if WITH_RAY:
        return
    with pytest.raises(MistakesFound, match=r'Ray, which is not installed \(pip install "nba-ray'):
        make_batch_engine(BatchSettings(engine="ray"), register)
