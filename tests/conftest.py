from __future__ import annotations

import os

import pytest


@pytest.fixture
def uncovered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Coverage is not measured in the processes that a test starts.

    Measuring takes a third of such a process's CPU time: only tests that cover something need it.
    """
    for name in [name for name in os.environ if name.startswith("COVERAGE_")]:
        monkeypatch.delenv(name)
