"""Every kind of generated plugin, in a fresh environment: installed, tested, type-checked, checked.

One environment for all of them: they must get along with each other, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from subprocess import Popen
from typing import NamedTuple

import pytest

from nba_engine.cli.scaffold import KINDS
from tests.packages.environment import Environment, build_wheels, finish

pytestmark = [pytest.mark.timeout(300), pytest.mark.xdist_group("generated")]


class Generated(NamedTuple):
    """All kinds of generated packages, installed; their tests are running already."""

    environment: Environment
    folder: Path
    tests: dict[str, Popen[str]]


@pytest.fixture(scope="module")
def generated(engine_wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Generated]:
    folder = tmp_path_factory.mktemp("generated")
    environment = Environment(folder, [engine_wheel])
    for kind in KINDS:
        environment.run("nba", "plugin", "new", f"nba-new-{kind}", "--kind", kind, cwd=folder)
    sources = [folder / f"nba-new-{kind}" for kind in KINDS]
    environment.install(*build_wheels(folder / "wheels", *sources))
    # the store's suite waits for the disk most of the time, so the others run beside it
    tests = {
        kind: environment.start("python", "-m", "pytest", "-q", cwd=folder / f"nba-new-{kind}")
        for kind in ("store", *(kind for kind in KINDS if kind != "store"))
    }
    yield Generated(environment, folder, tests)
    for process in tests.values():
        with process:
            process.kill()


@pytest.mark.parametrize("kind", KINDS)
def test_it_passes_its_type_check(generated: Generated, kind: str) -> None:
    cache = generated.folder / "mypy-cache"
    printed = generated.environment.run(
        "python", "-m", "mypy", "--strict", "--cache-dir", cache,
        cwd=generated.folder / f"nba-new-{kind}",
    )  # fmt: skip
    assert "no issues found" in printed


@pytest.mark.parametrize("kind", KINDS)
def test_it_passes_the_conformance_kit(generated: Generated, kind: str) -> None:
    plugin = f"new_{kind.replace('-', '_')}"
    printed = generated.environment.run("nba", "plugin", "check", plugin, cwd=generated.folder)
    assert plugin in printed


@pytest.mark.parametrize("kind", KINDS)
def test_it_passes_its_own_tests(generated: Generated, kind: str) -> None:
    printed = finish(generated.tests[kind])
    assert " passed" in printed
    assert not {" failed", " skipped", " warning"} & {*printed.splitlines()[-1].split(",")}
