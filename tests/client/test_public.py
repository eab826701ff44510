"""What the package offers, and what it does not drag in."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import msgspec

from nba_engine import client

FOLDER = Path(client.__file__).parent
MAY_IMPORT = {
    "nba_engine.__version__",
    "nba_engine._gen",
    "nba_engine.client",
    "google.protobuf",
    "google.rpc",
    "grpc",
    "grpc_health.v1",
    "msgspec",
}


def imported(file: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in found if name.partition(".")[0] not in sys.stdlib_module_names}


def test_it_imports_messages_grpc_and_msgspec_only() -> None:
    files = sorted(FOLDER.glob("*.py"))
    assert len(files) > 15
    for file in files:
        for name in imported(file):
            assert any(name == may or name.startswith(f"{may}.") for may in MAY_IMPORT), name


def test_importing_it_is_light() -> None:
    code = "import sys, nba_engine.client; print(*sorted(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=50
    )
    modules = done.stdout.split()
    heavy = {"numpy", "onnxruntime", "apsw", "cel_expr_python", "structlog", "jinja2", "pluggy"}
    assert heavy & {name.partition(".")[0] for name in modules} == set()
    ours = {name.split(".")[1] for name in modules if name.startswith("nba_engine.")}
    assert ours == {"_gen", "client"}


def test_public_names_are_listed_and_sorted() -> None:
    assert client.__all__ == sorted(client.__all__)
    assert all(hasattr(client, name) for name in client.__all__)


def test_what_is_answered_cannot_be_changed() -> None:
    structs = [
        value
        for name in client.__all__
        if isinstance(value := getattr(client, name), type) and issubclass(value, msgspec.Struct)
    ]
    assert len(structs) > 15
    assert all(struct.__struct_config__.frozen for struct in structs)
