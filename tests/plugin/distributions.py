"""Real distributions for tests: a module and its metadata in a folder on ``sys.path``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

__all__ = ["Distributions", "distributions"]


class Distributions:
    """Writes distributions whose entry points ``importlib.metadata`` then finds."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._modules: list[str] = []

    def install(self, name: str, code: str, *, plugin: str = "", target: str = "") -> None:
        """A distribution ``name`` with one module and one entry point."""
        module = name.replace("-", "_")
        self._modules.append(module)
        (self.folder / f"{module}.py").write_text(code)
        info = self.folder / f"{module}-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
        (info / "entry_points.txt").write_text(
            f"[nba_engine]\n{plugin or name} = {target or module}\n"
        )

    def forget(self) -> None:
        for module in self._modules:
            sys.modules.pop(module, None)


@pytest.fixture
def distributions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Distributions]:
    monkeypatch.syspath_prepend(str(tmp_path))
    made = Distributions(tmp_path)
    yield made
    made.forget()
