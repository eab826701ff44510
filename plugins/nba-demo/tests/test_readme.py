"""The README's commands and its request from Python, run against a demo of a few households."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from nba_demo.serving import ServerProcess

ROOT = Path(__file__).parents[3]
README = (ROOT / "README.md").read_text("utf-8")


def _blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def _commands() -> list[list[str]]:
    lines = "\n".join(_blocks("sh")).splitlines()
    return [shlex.split(line, comments=True) for line in lines if line.strip()]


def _environ() -> dict[str, str]:
    return {**os.environ, "COLUMNS": "100"}


def test_make_knows_every_target_the_readme_names() -> None:
    targets = {words[1] for words in _commands() if words[0] == "make"}
    assert targets == {"demo", "test"}
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for target in targets:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)


@pytest.mark.parametrize("name", ["decide", "check"])
def test_the_commands_to_go_on_with_work(folder: Path, name: str) -> None:
    (words,) = [c for c in _commands() if c[0] == ".venv/bin/nba" and c[1] == name]
    arguments = [str(folder / "nba.toml") if w == "build/demo/nba.toml" else w for w in words[1:]]
    done = subprocess.run(
        [sys.executable, "-m", "nba_engine.cli", *arguments],
        capture_output=True,
        text=True,
        env=_environ(),
        timeout=50,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert ("Why not" if name == "decide" else "no mistakes") in done.stdout


def test_the_request_from_python_prints_what_to_show(folder: Path, tmp_path: Path) -> None:
    (block,) = _blocks("python")
    assert "127.0.0.1:50051" in block
    with ServerProcess(folder / "nba.toml", log=tmp_path / "server.log") as server:
        code = block.replace("127.0.0.1:50051", server.address)
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            env=_environ(),
            timeout=50,
            check=False,
        )
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert [line[:2] for line in lines] == ["1.", "2.", "3."]
    assert all(re.search(r" by app: \d+\.\d\d USD \(", line) for line in lines)


def test_every_link_leads_to_a_file() -> None:
    links = re.findall(r"\]\(([^)#]+?)\)", README)
    assert len(links) > 8
    assert [link for link in links if not (ROOT / link).exists()] == []
