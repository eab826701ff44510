from __future__ import annotations

import inspect
import re
import sys
import types
from pathlib import Path

import pytest

from nba_engine.app import load_plugins
from nba_engine.plugin import spec
from nba_engine.settings import StageSettings
from tests.engine.world import CATALOG, STAGES, ask, shop

TESTS = Path(__file__).parents[1]
DOCS = TESTS.parent / "docs" / "plugins.md"
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


def test_every_hook_has_a_user_in_this_repository() -> None:
    # what is only an example of a hook is no user of it
    real = [
        one for one in load_plugins().statuses if one.distribution in {"nba-engine", "nba-demo"}
    ]
    assert set(HOOKS) <= {hook for status in real for hook in status.hooks}


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
