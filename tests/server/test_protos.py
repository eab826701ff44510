from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
import sysconfig
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
PROTOS = ROOT / "proto" / "nba"


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    path = ROOT / "scripts" / "generate_protos.py"
    spec = importlib.util.spec_from_file_location("generate_protos", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_stubs_are_those_of_the_protos(generator: ModuleType) -> None:
    assert generator.drift(generator.generate()) == []


def test_drift_is_noticed(generator: ModuleType) -> None:
    files = generator.generate()
    name = "nba/v1/value_pb2.py"
    text = files.pop(name)
    assert generator.drift(files) == [f"{name}: extra"]
    assert generator.drift(files | {name: text + "\n"}) == [f"{name}: differs"]
    assert generator.drift(files | {name: text, "new.py": ""}) == ["new.py: missing"]


def test_buf_finds_no_fault_with_the_protos() -> None:
    buf = Path(sysconfig.get_path("scripts")) / "buf"
    for command in (["lint"], ["format", "--diff", "--exit-code"]):
        done = subprocess.run(
            [buf, *command], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stdout) == (0, "")


def test_no_comment_switches_a_lint_rule_off() -> None:
    texts = [path.read_text() for path in (ROOT / "proto").rglob("*.proto")]
    assert len(texts) > 10
    assert not [text for text in texts if "buf:lint:ignore" in text]


def test_the_stubs_claim_no_top_level_package() -> None:
    code = (
        "import sys, nba_engine._gen.nba.v1.decision_service_pb2_grpc;"
        "sys.exit(any(name.split('.')[0] == 'nba' for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_method_has_a_heading_in_the_guide() -> None:
    page = (ROOT / "docs" / "api.md").read_text()
    methods = re.findall(
        r"^  rpc (\w+)\(", "".join(p.read_text() for p in PROTOS.rglob("*_service.proto")), re.M
    )
    assert len(methods) >= 10
    assert [name for name in methods if f"\n### {name}\n" not in page] == []
    assert [name for name in methods if f"[`{name}`](#{name.lower()})" not in page] == []
