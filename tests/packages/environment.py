"""New environments with the engine from its wheel; what it depends on comes from this one.

No index is asked: the wheels are built with the locked build backend, and everything that is not
ours is linked from the environment that runs the tests. pip still resolves the requirements, so
that one which the wheel forgets, or has too old, fails.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Mapping
from pathlib import Path

__all__ = ["ROOT", "Environment", "build_wheels", "linked_dependencies"]

ROOT = Path(__file__).parents[2]
OURS = ("nba_", "_nba_", "nba-", "__editable__", "_editable")  # what must come from a wheel
SECONDS = 240


def build_wheels(into: Path, *sources: Path) -> list[Path]:
    """Wheels of these projects, without their dependencies."""
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check"]
    command += ["--no-index", "--no-deps", "--no-build-isolation", "--wheel-dir", str(into)]
    _run([*command, *map(str, sources)])
    return sorted(into.glob("*.whl"))


class Environment:
    """A virtual environment of this Python in a folder, with wheels installed."""

    def __init__(self, folder: Path, wheels: list[Path]) -> None:
        self._bin = folder / "env" / "bin"
        venv.create(folder / "env", symlinks=True)
        site = sysconfig.get_path("purelib", vars={"base": str(folder / "env")})
        (Path(site) / "dependencies.pth").write_text(f"{linked_dependencies(folder)}\n", "utf-8")
        self.install(*wheels)

    def install(self, *wheels: Path) -> None:
        """Install wheels; their requirements must be here."""
        command = [sys.executable, "-m", "pip", "--python", str(self._bin / "python"), "install"]
        _run([*command, "--quiet", "--disable-pip-version-check", "--no-index", *map(str, wheels)])

    def start(
        self, *command: str | Path, cwd: Path, environ: Mapping[str, str] | None = None
    ) -> subprocess.Popen[str]:
        """Start a command of this environment, with these variables, too; see `finish`."""
        program, *arguments = map(str, command)
        inherited = ("COVERAGE", "COV_CORE", "NBA_", "PYTHON", "PYTEST")
        kept = {k: v for k, v in os.environ.items() if not k.startswith(inherited)}
        kept["PATH"] = f"{self._bin}{os.pathsep}{kept.get('PATH', '')}"
        return subprocess.Popen(
            [self._bin / program, *arguments],
            cwd=cwd,
            env={**kept, **(environ or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *command: str | Path, cwd: Path) -> str:
        """Run a command of this environment; what it printed. Exit codes other than 0 fail."""
        return finish(self.start(*command, cwd=cwd))


def finish(process: subprocess.Popen[str]) -> str:
    """Wait for a process; what it printed. Exit codes other than 0 fail."""
    with process:
        try:
            printed, _ = process.communicate(timeout=SECONDS)
        finally:
            process.kill()
    assert process.returncode == 0, f"{process.args!r} ended with {process.returncode}:\n{printed}"
    return printed


def _run(command: list[str]) -> None:
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=SECONDS, cwd=ROOT.parent
    )
    assert done.returncode == 0, f"{command}:\n{done.stdout}{done.stderr}"


def linked_dependencies(folder: Path) -> Path:
    """A folder with links to everything that is installed here, except what is ours."""
    links = folder / "dependencies"
    links.mkdir()
    for site in {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}:
        for entry in Path(site).iterdir():
            if not entry.name.startswith(OURS) and entry.suffix != ".pth":
                (links / entry.name).symlink_to(entry)
    return links
