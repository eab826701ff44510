"""Runs the blocks of one page, each as its language asks (the table is in ``pages.py``)."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import re
import subprocess
import sys
import tomllib
import types
from collections.abc import Mapping
from pathlib import Path

from nba_engine.rules import RuleError, Schema, parse_rule
from nba_engine.stages.functions import RULE_FUNCTIONS
from tests.docs.output import difference
from tests.docs.pages import ROOT, Block
from tests.docs.shell import Shell

__all__ = ["LANGUAGES", "Reader", "parse"]

OUTPUT = {"", "text", "mermaid"}
SHELL = {"bash", "sh"}
LANGUAGES = OUTPUT | SHELL | {"python", "toml", "json", "jsonl", "csv", "ini", "cel", "proto"}
LANGUAGES |= {"js", "mjs"}


def parse(block: Block) -> None:
    """Hold a block against the grammar of its language; also what is not run must pass."""
    text = block.text
    match block.language:
        case "python":
            compile(text, block.place, "exec")
        case "toml":
            tomllib.loads(text)
        case "json":
            json.loads(text)
        case "jsonl":
            assert [json.loads(line) for line in text.splitlines()]
        case "csv":
            rows = list(csv.reader(io.StringIO(text)))
            assert len({len(row) for row in rows}) == 1, "rows of different lengths"
        case "bash" | "sh":
            subprocess.run(["/bin/sh", "-n"], input=text, text=True, check=True, timeout=20)


class Reader:
    """Somebody who follows a page block by block in one folder."""

    def __init__(self, folder: Path, changes: Mapping[str, str], stack: contextlib.ExitStack):
        self.folder = folder
        self._changes = changes  # what a test must replace: addresses
        self._printed: str | None = None
        self._stack = stack
        self._environ = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "COLUMNS": "100",
            "NO_COLOR": "1",
        }
        self._shell: Shell | None = None
        self._module = types.ModuleType(f"page_{id(self)}")
        sys.modules[self._module.__name__] = self._module
        stack.callback(sys.modules.pop, self._module.__name__)

    def follow(self, block: Block) -> None:
        """Do what a block says."""
        text = block.text
        for shown, real in self._changes.items():
            text = text.replace(shown, real)
        if block.language in OUTPUT:
            if block.follows and self._printed is not None:
                wrong = difference(text, self._printed)
                assert not wrong, f"{block.place}: {wrong}\nall of it:\n{self._printed}"
            return
        parse(block)
        self._printed = None
        if block.mark not in {"", "fails", "second terminal"}:
            return
        if block.file:
            path = self.folder / block.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        match block.language:
            case "python" if Path(block.file).name.startswith("test_"):
                self._pytest(block)
            case "python":
                self._printed = self._python(block, text)
            case "bash" | "sh":
                self._printed = self._run(block, text)
            case "cel":
                _rules(block)
            case "proto":
                _in_a_file(block, ROOT / "proto", "*.proto")
            case "js" | "mjs":
                _in_a_file(block, ROOT / "docs" / "examples", "*.*js")

    def _python(self, block: Block, text: str) -> str:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(text, block.place, "exec"), self._module.__dict__)
        return printed.getvalue()

    def _pytest(self, block: Block) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", block.file],
            cwd=self.folder,
            env=self._environ,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, f"{block.place}: {done.stdout}{done.stderr}"

    def _run(self, block: Block, text: str) -> str | None:
        if self._shell is None:
            notes = self.folder.with_name(f"{self.folder.name}-notes")
            self._shell = Shell(self.folder, self._environ, notes)
            self._stack.enter_context(self._shell)
        if block.mark == "second terminal":
            notes = self.folder.with_name(f"{self.folder.name}-{block.line}")
            second = self._stack.enter_context(Shell(self.folder, self._environ, notes))
            second.leave_running(text, until="serving")
            return None
        to_run = "".join(f"{line}\n" for line in text.splitlines() if not _elsewhere(line))
        if block.mark == "fails":
            to_run = f"if (\n{to_run}) 2>&1; then echo 'it did not fail' >&2; exit 1; fi\n"
        return self._shell.run(to_run) if to_run.strip() else None


def _elsewhere(line: str) -> bool:
    """Whether a line is held against the project's files instead of being run."""
    words = line.partition("#")[0].split()
    if words[:1] == ["make"]:
        makefile = (ROOT / "Makefile").read_text("utf-8")
        for target in (word for word in words[1:] if "=" not in word):
            assert re.search(rf"^{re.escape(target)}:", makefile, re.M), f"make knows no {target}"
        return True
    if words and words[0].startswith(".venv/bin/"):  # a checkout's own environment
        assert (Path(sys.executable).parent / Path(words[0]).name).exists(), line
        named = [word for word in words[1:] if "/" in word]
        assert [path for path in named if not (ROOT / path).exists()] == [], line
        return True
    if words[:2] == ["python", "-m"]:
        words = words[2:]
    if words[:2] == ["pip", "install"]:
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        for name, extras in re.findall(r"([\w-]+)(?:\[([\w,-]+)\])?", " ".join(words[2:])):
            if name == project["name"] and extras:
                assert set(extras.split(",")) <= set(project["optional-dependencies"])
        return True
    return False


def _rules(block: Block) -> None:
    """Grammar and functions; which attributes there are is the page's own (tests/rules)."""
    schema = Schema(functions=RULE_FUNCTIONS)
    for line in block.text.splitlines():
        wrong = ""
        try:
            parse_rule(line, schema)
        except RuleError as error:
            wrong = str(error)
        assert not wrong or "undefined field" in wrong, f"{block.place}: {line}: {wrong}"


def _in_a_file(block: Block, folder: Path, pattern: str) -> None:
    texts = [path.read_text("utf-8") for path in folder.rglob(pattern)]
    lines = [line.strip() for line in block.text.splitlines() if line.strip(" }…")]
    best = min((sum(line not in text for line in lines) for text in texts), default=len(lines))
    assert best == 0, f"{block.place}: no file under {folder.name}/ has these lines"
