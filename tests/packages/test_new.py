"""`nba plugin new`: which names will do, what is written and what is never overwritten."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from nba_engine.cli.main import FAILED, USAGE, run
from nba_engine.cli.scaffold import KINDS, names_of
from nba_engine.errors import InvalidRequest
from tests.packages.environment import ROOT

TEMPLATES = ROOT / "nba_engine" / "scaffold"


def new(name: str, kind: str, out: Path) -> int:
    return run(["plugin", "new", name, "--kind", kind, "--out", str(out)])


def files(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): path.read_text("utf-8")
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("nba-store-hours", ("nba-store-hours", "nba_store_hours", "store_hours")),
        ("weather_of_today", ("weather-of-today", "weather_of_today", "weather_of_today")),
        ("NBA.Rain", ("nba-rain", "nba_rain", "rain")),
        ("rain2", ("rain2", "rain2", "rain2")),
    ],
)
def test_a_name_becomes_that_of_a_distribution_a_package_and_a_plugin(
    text: str, names: tuple[str, str, str]
) -> None:
    found = names_of(text)
    assert (found.distribution, found.package, found.plugin) == names


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "cannot name a package"),
        ("a b", "cannot name a package"),
        ("-rain", "cannot name a package"),
        ("../rain", "cannot name a package"),
        ("régen", "cannot name a package"),
        ("x" * 61, "61 characters"),
        ("2rain", "'2rain' cannot be a name in Python"),
        ("class", "'class' cannot be a name in Python"),
        ("nba-2rain", "'2rain' cannot be a name in nba.toml and rules"),
        ("nba-in", "'in' cannot be a name in nba.toml and rules"),
        ("nba-null", "'null' cannot be a name in nba.toml and rules"),
        ("nba-", "cannot name a package"),
        ("json", "a package 'json' already"),
        ("nba-engine", "a package 'nba_engine' already"),
        ("numpy", "'numpy' is installed already"),
    ],
)
def test_a_name_that_will_not_do_is_refused_in_a_sentence(text: str, problem: str) -> None:
    with pytest.raises(InvalidRequest, match=re.escape(problem)):
        names_of(text)


def test_a_wrong_name_is_wrong_usage_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert new("a b", "stage", tmp_path / "out") == USAGE
    assert "NAME" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("taken", ["folder", "file"])
def test_nothing_is_overwritten(
    tmp_path: Path, taken: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    if taken == "folder":
        out.mkdir()
        (out / "README.md").write_text("mine")
    else:
        out.write_text("mine")
    before = files(tmp_path)
    assert new("nba-rain", "stage", out) == FAILED
    assert "is there already" in capsys.readouterr().err
    assert files(tmp_path) == before


@pytest.mark.parametrize(
    ("name", "kind"),
    [("nba-value", "stage"), ("nba-days-since", "rule-function"), ("builtin", "sink")],
)
def test_a_name_that_a_plugin_has_or_offers_already_is_refused(
    tmp_path: Path, name: str, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert new(name, kind, tmp_path / "out") == FAILED
    assert "already; choose another name" in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "out").exists()


def test_without_out_the_folder_is_called_like_the_distribution(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["plugin", "new", "NBA_Rain", "--kind", "sink"]) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["nba-rain"]


@pytest.mark.parametrize("kind", KINDS)
def test_it_prints_how_to_install_test_check_and_use_it(
    tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert new("nba-rain", kind, out) == 0
    printed = capsys.readouterr().out
    for words in ("pip install -e", "pytest", "mypy", "nba plugin check rain", "rain"):
        assert words in printed
    readme = (out / "README.md").read_text("utf-8")
    for block in re.findall(r"```toml\n(.*?)```", readme, re.DOTALL):
        tomllib.loads(block)
        assert all(line in printed for line in block.splitlines())
    assert "```" not in printed


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_bears_its_names_and_is_formatted_and_linted(
    tmp_path: Path, kind: str
) -> None:
    out = tmp_path / "out"
    assert new("nba-rain-or-shine", kind, out) == 0
    written = files(out)
    assert "PACKAGE" not in "".join(written)
    project = tomllib.loads(written["pyproject.toml"])["project"]
    assert project["name"] == "nba-rain-or-shine"
    assert project["entry-points"] == {"nba_engine": {"rain_or_shine": "nba_rain_or_shine"}}
    for path, text in written.items():
        if path.endswith(".py"):
            assert ast.get_docstring(ast.parse(text)), f"{path} does not say what it is"
    for command in (
        ["check", "--isolated", "--select", "E,F,W,I,B,UP,RUF,SIM,PT,C4", "--line-length", "100"],
        ["format", "--isolated", "--check", "--line-length", "100"],
    ):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "."],
            cwd=out,
            capture_output=True,
            text=True,
            check=False,
            timeout=50,
        )
        assert done.returncode == 0, done.stdout


def test_every_kind_has_templates_and_every_template_a_kind() -> None:
    assert {folder.name for folder in TEMPLATES.iterdir()} == {"shared", *KINDS}
