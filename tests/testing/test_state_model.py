"""The model that stores are held against stays small enough to be believed."""

from __future__ import annotations

import inspect

from nba_engine.testing import state_model


def test_the_model_has_at_most_120_lines_with_its_words_and_without_blank_ones() -> None:
    lines = [line for line in inspect.getsource(state_model).splitlines() if line.strip()]
    assert len(lines) <= 120
