"""`make test-all`: which interpreters it finds, and that it never passes over one in silence."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

import pytest

from scripts import test_all
from tests.packages.environment import ROOT

MAKE = """#!/bin/sh
for word; do case $word in VENV=*) venv=${word#VENV=};; esac; done
mkdir -p "$venv/bin"
printf '#!/bin/sh\\necho "$@"\\necho "= 3 passed in 1s ="\\nexit %s\\n' > "$venv/bin/python"
chmod +x "$venv/bin/python"
"""


def program(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    file.chmod(0o755)


def interpreter(file: Path, version: str) -> None:
    """A program that answers as a Python of this version would."""
    program(file, f"#!/bin/sh\necho {version}\necho {file}\n")


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without any Python: an empty folder on PATH, an empty home."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("PYENV_ROOT", raising=False)
    return tmp_path


def test_the_versions_are_those_that_the_project_names() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    versions = test_all.supported()
    assert versions == sorted(versions, key=lambda version: int(version[2:]))
    assert f">={versions[0]}" == project["requires-python"]
    assert all(f"Programming Language :: Python :: {v}" in project["classifiers"] for v in versions)


def test_the_running_interpreter_is_found_and_asked_for_its_version(
    machine: Path,
) -> None:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    (machine / "bin").mkdir()
    (machine / "bin" / f"python{version}").symlink_to(sys.executable)
    found = test_all.find(version)
    assert found is not None
    assert found.version == ".".join(map(str, sys.version_info[:3]))


def test_path_goes_before_pyenv_and_later_patches_before_earlier_ones(machine: Path) -> None:
    for patch in ("3.12.2", "3.12.10"):
        interpreter(machine / ".pyenv" / "versions" / patch / "bin" / "python3", patch)
    found = test_all.find("3.12")
    assert found is not None
    assert found.version == "3.12.10"
    interpreter(machine / "bin" / "python3.12", "3.12.1")
    found = test_all.find("3.12")
    assert found is not None
    assert found.version == "3.12.1"


def test_a_shim_that_refuses_and_a_python_of_another_version_are_passed_over(
    machine: Path,
) -> None:
    program(machine / "bin" / "python3.12", "#!/bin/sh\necho not installed >&2\nexit 127\n")
    interpreter(machine / "bin" / "python3", "3.11.4")
    interpreter(machine / ".pyenv" / "versions" / "3.12.5" / "bin" / "python3", "3.12.5")
    found = test_all.find("3.12")
    assert found is not None
    assert found.version == "3.12.5"


@pytest.mark.parametrize(("status", "word", "code"), [(0, "passed", 0), (1, "FAILED", 1)])
def test_each_python_gets_a_line_with_what_became_of_it(
    machine: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    status: int,
    word: str,
    code: int,
) -> None:
    interpreter(machine / "bin" / "python3.12", "3.12.1")
    program(machine / "bin" / "make", MAKE % status)
    monkeypatch.setenv("PATH", f"{machine / 'bin'}:/usr/bin:/bin")
    monkeypatch.setattr(test_all, "ROOT", machine)
    monkeypatch.setattr(sys, "argv", ["test_all", "--only", "3.12 3.99", "--", "tests/rules", "-x"])
    assert test_all.main() == code
    printed = capsys.readouterr().out
    assert "-m pytest -q tests/rules -x" in printed
    assert f"3.12.1   {word}" in printed
    assert "3 passed in 1s" in printed.splitlines()[-2]
    assert "NOT RUN: this machine has no Python 3.99" in printed.splitlines()[-1]


def test_a_machine_without_any_of_them_fails(
    machine: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    program(machine / "bin" / "make", "#!/bin/sh\n")
    monkeypatch.setattr(sys, "argv", ["test_all", "--only", "3.99"])
    assert test_all.main() == 1
    assert "NOT RUN" in capsys.readouterr().out
