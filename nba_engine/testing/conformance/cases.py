"""The suites of everything that one plugin offers, as classes that pytest collects here.

Which plugin: the environment variable ``NBA_CONFORMANCE_PLUGIN``. Run by `worker`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from nba_engine.testing.conformance.examples import KINDS, examples_of, loaded, promises_of
from nba_engine.testing.conformance.report import Promise

_PLUGIN = os.environ.get("NBA_CONFORMANCE_PLUGIN", "")
_PLUGINS = loaded()


def _cases(promise: Promise) -> type:
    """The suite of one offer. Fixtures that the plugin has examples for give these."""
    kind = KINDS[promise.kind]
    members: dict[str, Any] = {
        kind.fixture: _given(lambda: kind.offers(_PLUGINS.register)[promise.name]),
        "nba_examples": _examples(promise),
    }
    if promise.kind == "store":
        members["url"] = _url(promise.name)
    fixtures = {name for name in dir(kind.suite) if _is_fixture(getattr(kind.suite, name))}
    given = examples_of(_PLUGINS, _PLUGIN, promise, Path(os.environ["NBA_CONFORMANCE_FOLDER"]))
    unknown = set(given) - fixtures
    if unknown:
        known = ", ".join(sorted(fixtures))
        raise ValueError(f"{promise.kind} {promise.name}: {unknown} is none of {known}")
    for name in given:
        members[name] = _from_examples(name)
    return type(f"Test {promise.kind} {promise.name}", (kind.suite,), members)


def _is_fixture(member: object) -> bool:
    """Whether `pytest.fixture` made it: a class of its own, before pytest 8.4 a marked function."""
    made = type(member).__name__ == "FixtureFunctionDefinition"
    return made or hasattr(member, "_pytestfixturefunction")


def _given(make: Any) -> Any:
    @pytest.fixture
    def offered(_self: object) -> Any:
        return make()

    return offered


def _examples(promise: Promise) -> Any:
    @pytest.fixture
    def nba_examples(_self: object, tmp_path: Path) -> dict[str, Any]:
        return examples_of(_PLUGINS, _PLUGIN, promise, tmp_path)

    return nba_examples


def _from_examples(name: str) -> Any:
    @pytest.fixture
    def example(_self: object, nba_examples: dict[str, Any]) -> Any:
        return nba_examples[name]

    return example


def _url(scheme: str) -> Any:
    @pytest.fixture
    def url(_self: object, tmp_path: Path) -> Any:
        return lambda name: f"{scheme}:{tmp_path / name}"

    return url


for _promise in promises_of(_PLUGINS.register, _PLUGIN):
    _case = _cases(_promise)
    globals()[_case.__name__] = _case
