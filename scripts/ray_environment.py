"""Let an environment see what is installed in the one that this runs in: `make ray`.

    python scripts/ray_environment.py build/ray

Ray's environment holds Ray and what it needs, nothing else: the engine, its plugins and their
dependencies are those of `.venv`, so that both are tested with the same versions.
"""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path


def main(environment: Path) -> None:
    """Write a file that has Python look into this environment's packages, too."""
    ours = sysconfig.get_path("purelib")
    (theirs,) = environment.glob("lib/python*/site-packages")
    # a folder that is only named would not have its own .pth files read: editable installs
    line = f"import site; site.addsitedir({ours!r})\n"
    (theirs / "engine.pth").write_text(line, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
