from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from nba_engine import learning
from nba_engine.models import load_manifest

PAGE = Path(__file__).parents[2] / "docs" / "models.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(), re.DOTALL)


def test_the_training_example_runs_as_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (example,) = (text for text in blocks("python") if "nba_engine.learning" in text)
    names: dict[str, Any] = {}
    exec(compile(example, str(PAGE), "exec"), names)
    assert load_manifest(tmp_path / "models" / "propensity") == names["manifest"]
    assert names["metrics"]["auc"] > 0.75
    assert names["metrics"]["ece"] < 0.05


def test_the_manifest_example_is_a_manifest(tmp_path: Path) -> None:
    (example,) = (text for text in blocks("toml") if "signature" in text)
    (tmp_path / "manifest.toml").write_text(example)
    manifest = load_manifest(tmp_path)
    assert manifest.features[0].name == "recency"
    assert tomllib.loads(example)["metrics"] == manifest.metrics


def test_every_function_of_the_learning_layer_is_documented() -> None:
    page = PAGE.read_text()
    values = {"BoostedModel", "GammaPoisson", "LogisticModel", "Reliability", "WideLogisticModel"}
    inner = {"platt", "sigmoid"}
    missing = [name for name in learning.__all__ if f"{name}" not in page]
    assert set(missing) <= values | inner
