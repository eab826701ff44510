"""Every kind of generated plugin, in a fresh environment: installed, tested, type-checked, checked.

One environment for all of them: they must get along with each other, too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from subprocess import Popen
from typing import NamedTuple

import pytest

from nba_engine.cli.scaffold import KINDS
from tests.packages.environment import Environment, build_wheels, finish

pytestmark = [pytest.mark.timeout(300), pytest.mark.xdist_group("generated")]


VALUE = '[[pipeline]]\nstage = "value"\n'
PROPENSITY = '[[pipeline]]\nstage = "propensity"\n'
SETTINGS = f"""
[[pipeline]]
stage = "profile"
[[pipeline]]
stage = "eligibility"
{VALUE}
[[pipeline]]
stage = "arbitration"
[[pipeline]]
stage = "slate"
"""
CATALOG = """
[catalog]
currency = "EUR"
time_zone = "Europe/Berlin"
[attributes.first_name]
type = "string"
[channels.app]
name = "App"
[placements.banner]
channel = "app"
[actions.nothing]
name = "Nothing"
kind = "nothing"
[actions.milk]
name = "Milk"
prior = 0.1
value = 1.0
tags = ["in_store"]
attributes = { category = "dairy" }
treatments.banner = { channel = "app", content = { text = "Milk" } }
"""


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
def test_what_its_readme_says_about_its_use_makes_it_part_of_decisions(
    generated: Generated, kind: str, tmp_path: Path
) -> None:
    readme = (generated.folder / f"nba-new-{kind}" / "README.md").read_text("utf-8")
    write_shop(tmp_path, readme, f"new_{kind.replace('-', '_')}")
    run = generated.environment.run
    assert "no mistakes" in run("nba", "check", cwd=tmp_path)
    printed = run("nba", "decide", "crm:1", "--json", cwd=tmp_path)
    decision = json.loads(printed[printed.index("{") :])
    assert decision["degraded"] == []
    assert decision["candidates"] > 1


def write_shop(folder: Path, readme: str, name: str) -> None:
    """A shop with what a README says: each block goes where the words before it name."""
    settings, catalog, model = SETTINGS, CATALOG, ""
    parts = re.split(r"```(\w*)\n(.*?)```\n", readme[readme.index("## Use") :], flags=re.DOTALL)
    for words, language, text in zip(parts[0::3], parts[1::3], parts[2::3], strict=False):
        if language == "json" or "`manifest.toml`" in words:
            file = "model.json" if language == "json" else "manifest.toml"
            (folder / "models" / "propensity").mkdir(parents=True, exist_ok=True)
            (folder / "models" / "propensity" / file).write_text(text, "utf-8")
            model += text
        elif "`nba.toml`" in words:
            at = settings.index(VALUE) if "`value`" in words else len(settings)
            settings = settings[:at] + text + settings[at:]
            if "[models]" in text:
                settings = settings.replace(VALUE, PROPENSITY + VALUE)
        else:
            assert "catalog" in words
            catalog += text
    assert name in settings + catalog + model
    (folder / "nba.toml").write_text(settings, "utf-8")
    (folder / "catalog").mkdir()
    (folder / "catalog" / "shop.toml").write_text(catalog, "utf-8")


@pytest.mark.parametrize("kind", KINDS)
def test_it_passes_its_own_tests(generated: Generated, kind: str) -> None:
    printed = finish(generated.tests[kind])
    assert " passed" in printed
    assert not {" failed", " skipped", " warning"} & {*printed.splitlines()[-1].split(",")}
