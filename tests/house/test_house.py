"""The house rules that no linter checks: sizes and names of rooms, the lock, what imports what."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = [
    path
    for folder in ("nba_engine", "plugins", "tests", "benchmarks", "faults", "scripts")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if "_gen" not in path.parts and "node_modules" not in path.parts and "build" not in path.parts
]
MEANINGLESS = {"utils", "util", "helpers", "helper", "common", "misc", "manager"}

# What code under plugins/ may import from the engine, beyond what every plugin may; the demo
# drives the whole engine, so it may import what it drives, a store shares the rules of
# stores, and a batch engine is driven as all are.
EVERY_PLUGIN = {"domain", "plugin", "errors", "testing"}
DRIVES = {
    "nba-demo": {
        "_gen",
        "app",
        "catalog",
        "cli",
        "engine",
        "learning",
        "models",
        "planning",
        "settings",
        "store",
    },
    "nba-postgres": {"store"},
    "nba-ray": {"batch"},
}


def test_no_file_is_longer_than_400_lines() -> None:
    lengths = {str(p.relative_to(ROOT)): len(p.read_text().splitlines()) for p in SOURCES}
    assert len(lengths) > 50
    assert {name: n for name, n in lengths.items() if n > 400} == {}


def test_no_room_has_a_name_that_says_nothing() -> None:
    found = {
        str(p.relative_to(ROOT))
        for p in SOURCES
        if MEANINGLESS & {p.stem, *p.relative_to(ROOT).parts[:-1]}
    }
    assert found <= {"nba_engine/plugin/manager.py"}


def _imports(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            if node.module == "nba_engine":
                names |= {f"nba_engine.{alias.name}" for alias in node.names}
            else:
                names.add(node.module)
    return names


@pytest.mark.parametrize(
    "plugin", sorted(p.parent.name for p in ROOT.glob("plugins/*/pyproject.toml"))
)
def test_a_plugin_imports_only_what_a_stranger_may(plugin: str) -> None:
    allowed = EVERY_PLUGIN | DRIVES.get(plugin, set())
    folder = ROOT / "plugins" / plugin
    used = {
        name.split(".")[1]
        for path in SOURCES
        if path.is_relative_to(folder) and "tests" not in path.relative_to(folder).parts
        for name in _imports(path)
        if name.startswith("nba_engine.")
    }
    assert used, "a plugin that imports nothing of the engine is no plugin"
    assert used <= allowed


LOCKS = [ROOT / "requirements.lock", ROOT / "plugins" / "nba-ray" / "requirements.lock"]


@pytest.mark.parametrize("path", LOCKS, ids=str)
def test_the_lock_has_hashes_and_no_address(path: Path) -> None:
    lock = path.read_text()
    assert not re.search(r"https?://|--index-url|--find-links", lock)
    pins = re.findall(r"^([a-z0-9._-]+)==", lock, re.MULTILINE)
    blocks = re.split(r"^(?=[a-z0-9._-]+==)", lock, flags=re.MULTILINE)[1:]
    assert len(pins) == len(blocks) > 10
    assert all("--hash=sha256:" in block for block in blocks)


def _name(requirement: str) -> str:
    match = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert match
    return re.sub(r"[._]", "-", match.group()).lower()


@pytest.mark.parametrize(
    "file", [ROOT / "pyproject.toml", *sorted(ROOT.glob("plugins/*/pyproject.toml"))], ids=str
)
def test_everything_the_projects_need_is_locked(file: Path) -> None:
    lock = "".join(path.read_text() for path in LOCKS)
    locked = {_name(pin) for pin in re.findall(r"^([A-Za-z0-9._-]+)==", lock, re.MULTILINE)}
    data = tomllib.loads(file.read_text())
    project = data["project"]
    needed = [*project.get("dependencies", []), *data["build-system"]["requires"]]
    for extra in project.get("optional-dependencies", {}).values():
        needed += extra
    for group in data.get("dependency-groups", {}).values():
        needed += group
    missing = {_name(r) for r in needed} - locked
    assert missing <= {"nba-engine"}


@pytest.mark.parametrize(
    ("module", "unwanted"),
    [
        ("nba_engine", {"numpy", "grpc", "msgspec", "onnxruntime"}),
        ("nba_engine.domain", {"grpc", "onnxruntime", "apsw", "cel_expr_python"}),
        ("nba_engine.server", {"sklearn", "pandas", "pyarrow", "scipy", "matplotlib", "lightgbm"}),
        ("nba_engine.app", {"sklearn", "pandas", "pyarrow", "scipy", "matplotlib", "grpc"}),
    ],
)
def test_importing_a_layer_does_not_bring_what_it_does_not_need(
    module: str, unwanted: set[str]
) -> None:
    code = f"import sys, {module}; print(*sorted(n.partition('.')[0] for n in sys.modules))"
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=50
    )
    assert unwanted & set(out.stdout.split()) == set()


def test_the_repository_speaks_of_the_project_alone() -> None:
    # spelt in pieces, so that this file does not match itself
    machine_paths = "|".join(("/wor" + "k/", "/far" + "m/", "/roo" + "t/", "/opt/py" + "pi"))
    found = subprocess.run(
        ["git", "grep", "-nIE", machine_paths, "--", "."],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )
    assert found.stdout == ""
