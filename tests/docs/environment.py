"""What `pip install nba-engine` finds in a test: a wheel of this checkout, and no network.

The page is followed to the letter, `python3 -m venv` and `pip install nba-engine` included. pip is
told by its environment variables to take `nba-engine` from a folder with one wheel, built from the
checkout as it is; what the engine depends on is not installed anew, but linked from the
environment that runs the tests, all of it except the engine and the plugins of this repository.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

from tests.docs.pages import ROOT

__all__ = ["fresh_environ"]


def _wheel(folder: Path) -> None:
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-index"]
    command += ["--no-build-isolation", "--wheel-dir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, timeout=120)


def _dependencies(folder: Path) -> None:
    folder.mkdir()
    site = Path(sysconfig.get_path("purelib"))
    for entry in site.iterdir():
        name = entry.name.lower()
        if not name.endswith(".pth") and not name.startswith(("nba", "_nba", "_editable", "pip")):
            (folder / entry.name).symlink_to(entry)


def fresh_environ(folder: Path) -> dict[str, str]:
    """Environment variables of somebody whose machine has Python and nothing of ours."""
    _wheel(folder / "wheels")
    _dependencies(folder / "dependencies")
    python = Path(os.path.realpath(sys.executable))
    commands = folder / "bin"
    commands.mkdir()
    (commands / "python3").symlink_to(python)
    return {
        "PATH": f"{commands}{os.pathsep}/usr/bin{os.pathsep}/bin",
        "HOME": str(folder),
        "PYTHONPATH": str(folder / "dependencies"),
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(folder / "wheels"),
        "PIP_NO_BUILD_ISOLATION": "0",  # pip's way to say: build with the hatchling that is here
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "LANG": "C.UTF-8",
    }
