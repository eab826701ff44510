"""What a package offers is what its ``__all__`` says: no name more, no name less."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path

import pytest

import nba_engine

ROOT = Path(nba_engine.__file__).parent
PACKAGES = [
    "nba_engine",
    "nba_engine.errors",
    *sorted(
        f"nba_engine.{'.'.join(path.parent.relative_to(ROOT).parts)}"
        for path in ROOT.rglob("*/__init__.py")
        if "_gen" not in path.parts
    ),
]


@pytest.mark.parametrize("name", PACKAGES)
def test_every_public_name_is_in_all_and_all_is_there(name: str) -> None:
    package = importlib.import_module(name)
    members = {
        key
        for key, value in vars(package).items()
        if not key.startswith("_") and not inspect.ismodule(value) and key != "annotations"
    }
    if ROOT.joinpath(*name.split(".")[1:]).is_dir():  # a package re-exports all that it imports
        assert members == set(package.__all__) - {"__version__"}
    assert [key for key in package.__all__ if not hasattr(package, key)] == []
    assert len(package.__all__) == len(set(package.__all__))


@pytest.mark.parametrize("name", PACKAGES)
def test_every_public_class_and_function_says_what_it_is(name: str) -> None:
    package = importlib.import_module(name)
    offered = [getattr(package, key) for key in package.__all__]
    silent = {
        one.__name__
        for one in offered
        if (inspect.isclass(one) or inspect.isfunction(one))
        and one.__module__.startswith("nba_engine.")
        and not one.__doc__
    }
    assert silent == set()
