from __future__ import annotations

from pathlib import Path

import pytest

from tests.packages.environment import ROOT, build_wheels


@pytest.fixture(scope="session")
def engine_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The engine as it would be published."""
    (wheel,) = build_wheels(tmp_path_factory.mktemp("engine"), ROOT)
    return wheel
