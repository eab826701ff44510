"""A start that takes long says why."""

from __future__ import annotations

import threading

import pytest

from nba_engine.plugin import told_when_slow


class Waiting:
    """A body that goes on as soon as something was said of it."""

    def __init__(self, caplog: pytest.LogCaptureFixture, times: int) -> None:
        self._caplog = caplog
        self._times = times

    def wait(self) -> None:
        while len(self._caplog.messages) < self._times:
            threading.Event().wait(0.001)


def test_what_takes_long_is_told_again_and_again_with_its_place(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with told_when_slow("importing plugin 'heavy' of nba-heavy", first=0.01):
        Waiting(caplog, 3).wait()
    assert all(text.startswith("still importing plugin 'heavy'") for text in caplog.messages)
    assert "test_patience.py:" in caplog.messages[0]


def test_what_is_quick_is_not_worth_a_word(caplog: pytest.LogCaptureFixture) -> None:
    with told_when_slow("importing plugin 'light' of nba-light"):
        pass
    assert caplog.messages == []
    assert not [t for t in threading.enumerate() if t.name == "nba-patience"]


def test_an_error_goes_on_to_the_caller() -> None:
    with pytest.raises(ValueError, match="no"), told_when_slow("failing"):
        raise ValueError("no")
    assert not [t for t in threading.enumerate() if t.name == "nba-patience"]
