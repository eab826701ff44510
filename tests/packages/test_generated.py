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
    """All kinds of generated packages, installed in one environment."""

    environment: Environment
    folder: Path
    started: dict[tuple[str, str], Popen[str]]

    def start(self, what: str, kind: str) -> Popen[str]:
        """Start something in the folder of one package."""
        package = self.folder / f"nba-new-{kind}"
        command = (*COMMANDS[what], *_arguments(what, kind))
        return self.environment.start(*command, cwd=package, environ=SHORT_MACHINE)

    def result(self, what: str, kind: str) -> str:
        """What that printed; it must have ended well."""
        return finish(self.started.get((what, kind)) or self.start(what, kind))


# `nba plugin new` for every kind; one process, which imports the engine once
NEW = """
import sys
from nba_engine.cli.main import run
for kind in sys.argv[1:]:
    assert run(["plugin", "new", f"nba-new-{kind}", "--kind", kind]) == 0, kind
"""
# the generated store is one of SQLite's, which tests/testing runs through a longer machine
SHORT_MACHINE = {"NBA_MACHINE_EXAMPLES": "5"}
COMMANDS = {
    "tests": ("python", "-m", "pytest", "-q"),
    "types": ("python", "-m", "mypy", "--strict", "--cache-dir", "../mypy-cache"),
    "check": ("nba", "plugin", "check"),
}


def plugin(kind: str) -> str:
    return f"new_{kind.replace('-', '_')}"


def _arguments(what: str, kind: str) -> list[str]:
    return [plugin(kind)] if what == "check" else []


@pytest.fixture(scope="module")
def generated(engine_wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Generated]:
    folder = tmp_path_factory.mktemp("generated")
    environment = Environment(folder, [engine_wheel])
    environment.run("python", "-c", NEW, *KINDS, cwd=folder)
    sources = [folder / f"nba-new-{kind}" for kind in KINDS]
    environment.install(*build_wheels(folder / "wheels", *sources))
    made = Generated(environment, folder, {})
    # the store's suite mostly waits for the disk: all else runs beside it
    for what in ("tests", "check"):
        made.started[what, "store"] = made.start(what, "store")
    yield made
    for process in made.started.values():
        with process:
            process.kill()


@pytest.mark.parametrize("kind", KINDS)
def test_it_passes_its_type_check(generated: Generated, kind: str) -> None:
    assert "no issues found in 3 source files" in generated.result("types", kind)


@pytest.mark.parametrize("kind", KINDS)
def test_what_its_readme_says_about_its_use_makes_it_part_of_decisions(
    generated: Generated, kind: str, tmp_path: Path
) -> None:
    readme = (generated.folder / f"nba-new-{kind}" / "README.md").read_text("utf-8")
    write_shop(tmp_path, readme, plugin(kind))
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
def test_it_passes_the_conformance_kit(generated: Generated, kind: str) -> None:
    printed = generated.result("check", kind)
    assert f"{plugin(kind)} 0.1.0 (nba-new-{kind})" in printed
    assert re.search(r"^passed: \d+ checks", printed, re.MULTILINE)


@pytest.mark.parametrize("kind", KINDS)
def test_it_passes_its_own_tests(generated: Generated, kind: str) -> None:
    last = generated.result("tests", kind).splitlines()[-1]
    assert re.fullmatch(r"\d+ passed in .*", last), last
