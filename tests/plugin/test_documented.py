from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
import types
from pathlib import Path

import pytest

from nba_engine import testing
from nba_engine.app import load_plugins
from nba_engine.app.sink_records import decision_record, interaction_record
from nba_engine.domain import Decision, DecisionRequest, Interaction, Recommendation
from nba_engine.plugin import spec
from nba_engine.settings import StageSettings
from tests.engine.world import CATALOG, STAGES, ask, shop

TESTS = Path(__file__).parents[1]
DOCS = TESTS.parent / "docs" / "plugins.md"
DECISION = Decision(
    decision_id="d",
    customer_id="c",
    known=True,
    time=0.0,
    catalog_version="",
    model_versions={},
    recommendations=(
        Recommendation(
            recommendation_id="r",
            placement="p",
            position=0,
            action="a",
            treatment="t",
            channel="c",
        ),
    ),
)
HOOKS = [name for name in spec.__all__ if name.startswith("nba_")]


def signature(hook: str) -> str:
    text = str(inspect.signature(getattr(spec, hook)))
    return f"{hook}{text.replace(chr(39), '')}"


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_has_a_heading_with_its_exact_signature(hook: str) -> None:
    headings = re.findall(r"^#+ `(nba_.*)`$", DOCS.read_text(), re.MULTILINE)
    assert signature(hook) in headings


def test_no_heading_documents_a_hook_that_is_not_there() -> None:
    headings = re.findall(r"^#+ `(nba_\w+)", DOCS.read_text(), re.MULTILINE)
    assert sorted(headings) == sorted(HOOKS)


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_says_when_it_is_called_and_what_raising_means(hook: str) -> None:
    text = inspect.getdoc(getattr(spec, hook)) or ""
    assert "Called once" in text
    assert "Raising" in text


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_is_implemented_by_a_plugin_of_a_test(hook: str) -> None:
    files = [*TESTS.glob("plugin/*.py"), *TESTS.glob("app/*.py")]
    assert any(f"def {hook}(" in file.read_text() for file in files)


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_has_a_real_user_in_this_repository(hook: str) -> None:
    # what is only an example of a hook is no user of it
    ours = {path.parent.name for path in TESTS.parent.glob("plugins/*/pyproject.toml")}
    real = {"nba-engine", *ours} - {"nba-example"}
    plugins = load_plugins()
    offers = {f"nba_{name}": offers for name, offers in vars(plugins.register).items()}
    users = [
        status.name
        for status in plugins.statuses
        if status.distribution in real and offers[hook].of(status.name)
    ]
    assert users, f"nobody offers anything by {hook}"


def test_what_sinks_get_is_documented_field_by_field() -> None:
    page = DOCS.read_text()
    decision = decision_record(DecisionRequest(identity="a:b", placements=()), DECISION)
    happened = Interaction(interaction_id="i", identity="a:b", type="view", time=0.0)
    for record in (decision, interaction_record(happened)):
        row = re.search(rf"^\| `{record.topic}` \| (.*) \|$", page, re.MULTILINE)
        assert row
        nested = record.data.get("recommendations") or [{}]
        assert set(re.findall(r"`(\w+)`", row[1])) == {*record.data, *nested[0]}


def test_the_suites_of_the_docs_are_those_there_are_with_their_fixtures() -> None:
    rows = re.findall(r"^\| `(\w+Suite)` \| (.*) \| (.*) \|$", DOCS.read_text(), re.MULTILINE)
    assert {name for name, _, _ in rows} == {n for n in testing.__all__ if n.endswith("Suite")}
    for name, needed, more in rows:
        suite = getattr(testing, name)
        for fixture in re.findall(r"`(\w+)`", needed) + re.findall(r"`(\w+)`", more):
            if fixture not in {"ModelFactory"}:
                assert "Fixture" in type(getattr(suite, fixture)).__name__, (name, fixture)


def test_the_tests_of_the_docs_pass(tmp_path: Path) -> None:
    for name in ("nba_weather", "test_weather"):
        (block,) = re.findall(rf"```python\n# {name}\.py\n(.*?)```", DOCS.read_text(), re.DOTALL)
        (tmp_path / f"{name}.py").write_text(block)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull]
    done = subprocess.run(
        [*command, "--rootdir", str(tmp_path), str(tmp_path)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=55,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "16 passed" in done.stdout


def test_the_example_plugin_of_the_docs_decides(tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n# nba_weather\.py\n(.*?)```", DOCS.read_text(), re.DOTALL)
    module = types.ModuleType("nba_weather")
    sys.modules["nba_weather"] = module
    try:
        exec(blocks[0], module.__dict__)  # the documented text, as a user would save it
        offered = module.__dict__["nba_stages"]()
        catalog = CATALOG.replace(
            "[context.cart]", '[context.raining]\ntype = "bool"\n[context.cart]'
        )
        catalog = catalog.replace('name = "Bread"', 'name = "Bread"\ntags = ["rain"]')
        settings = StageSettings(stage="weather", settings={"boost": 50.0})
        stages = (*STAGES[:5], settings, *STAGES[5:])
        with shop(tmp_path, catalog=catalog, stages=stages, **offered) as engine:
            dry = engine.decide(ask("crm:1"))
            wet = engine.decide(ask("crm:1", raining=True))
    finally:
        del sys.modules["nba_weather"]
    assert "bread" not in {one.action for one in dry.recommendations}
    assert wet.recommendations[0].action == "bread"
    assert wet.recommendations[0].weight == 50.0
