"""What `pip install nba-engine` finds in a test: a wheel of this checkout, and no network.

The page is followed to the letter, `python3 -m venv` and `pip install nba-engine` included. pip is
told by its environment variables to take `nba-engine` from a folder with one wheel, built from the
checkout as it is; what the engine depends on is not installed anew, but linked from the
environment that runs the tests, all of it except the engine and the plugins of this repository.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tests.packages.environment import ROOT, build_wheels, linked_dependencies

__all__ = ["fresh_environ"]


def fresh_environ(folder: Path) -> dict[str, str]:
    """Environment variables of somebody whose machine has Python and nothing of ours."""
    build_wheels(folder / "wheels", ROOT)
    dependencies = linked_dependencies(folder)
    python = Path(os.path.realpath(sys.executable))
    commands = folder / "bin"
    commands.mkdir()
    (commands / "python3").symlink_to(python)
    return {
        "PATH": f"{commands}{os.pathsep}/usr/bin{os.pathsep}/bin",
        "HOME": str(folder),
        "PYTHONPATH": str(dependencies),
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(folder / "wheels"),
        "PIP_NO_BUILD_ISOLATION": "0",  # pip's way to say: build with the hatchling that is here
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "LANG": "C.UTF-8",
    }
