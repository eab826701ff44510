"""`nba schema`, run as users run it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nba_engine.cli.main import run

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("which", "file"), [("settings", "nba.schema.json"), ("catalog", "catalog.schema.json")]
)
def test_a_schema_is_printed(capsys: pytest.CaptureFixture[str], which: str, file: str) -> None:
    assert run(["schema", which, "--built-in"]) == 0
    assert capsys.readouterr().out == (ROOT / "schemas" / file).read_text()


def test_both_are_written_with_what_plugins_bring(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    assert run(["schema", "--out", str(tmp_path / "a" / "schemas")]) == 0
    files = sorted((tmp_path / "a" / "schemas").iterdir())
    assert [file.name for file in files] == ["catalog.schema.json", "nba.schema.json"]
    assert capsys.readouterr().out.split() == [str(file) for file in reversed(files)]
    stages = json.loads(files[1].read_text())["properties"]["pipeline"]["items"]["properties"]
    assert {"profile", "slate"} <= set(stages["stage"]["enum"])


@pytest.mark.parametrize("arguments", [[], ["catalog", "--out", "x"], ["rules"]])
def test_wrong_usage_is_told(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    assert run(["schema", *arguments]) == 2
    assert "Usage: nba schema" in capsys.readouterr().err
