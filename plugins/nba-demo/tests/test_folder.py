from __future__ import annotations

from pathlib import Path

import pytest

from nba_demo.folder import building
from nba_engine.errors import FailedPrecondition


def test_a_second_run_replaces_the_first_one(tmp_path: Path) -> None:
    out = tmp_path / "build" / "demo"
    for text in ("first", "second"):
        with building(out) as folder:
            (folder / text).write_text(text)
    assert not (out / "first").exists()
    assert (out / "second").read_text() == "second"
    assert [entry.name for entry in out.parent.iterdir()] == ["demo"]


def test_an_interrupted_run_leaves_the_earlier_one_and_nothing_else(tmp_path: Path) -> None:
    out = tmp_path / "demo"
    with building(out) as folder:
        (folder / "good").touch()
    with pytest.raises(KeyboardInterrupt):
        _interrupted(out)
    assert (out / "good").exists()
    assert [entry.name for entry in tmp_path.iterdir()] == ["demo"]


def test_what_is_no_demo_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("five years of work")
    with pytest.raises(FailedPrecondition, match="something else"), building(tmp_path):
        pass
    assert (tmp_path / "thesis.txt").exists()


def _interrupted(out: Path) -> None:
    with building(out) as folder:
        (folder / "half").touch()
        raise KeyboardInterrupt
