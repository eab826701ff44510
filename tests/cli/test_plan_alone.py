"""Two runs of `nba plan` in one folder: the second one is refused."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nba_engine.cli.plan_alone import LOCK, alone_in

if TYPE_CHECKING:
    from tests.cli.conftest import Nba

HOLD = """
import sys
from pathlib import Path
from nba_engine.cli.plan_alone import alone_in
with alone_in(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def held(out: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that plans into the folder until its standard input ends."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(out)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        yield other


def test_a_second_run_in_the_same_folder_is_refused_and_told_who_is_there(
    tmp_path: Path, nba: Nba
) -> None:
    tables, out = tmp_path / "tables", tmp_path / "deep" / "plan"
    tables.mkdir()
    with held(out) as other:
        for source in (("--input", tables), ("-s", tmp_path / "nba.toml")):
            assert nba("plan", *source, "--out", out) == 1
            assert f"process {other.pid} is planning into {out}" in nba.err
            assert "another --out" in nba.err
        assert [path.name for path in out.iterdir()] == [LOCK]
    assert not list(out.iterdir())
    assert nba("plan", "--input", tables, "--out", out) == 1
    assert "is planning" not in nba.err


def test_a_run_that_was_killed_or_failed_holds_nothing(tmp_path: Path) -> None:
    with held(tmp_path) as other:
        other.send_signal(signal.SIGKILL)
        other.wait()
    assert (tmp_path / LOCK).read_text() == str(other.pid)
    stack = ExitStack()
    stack.enter_context(alone_in(tmp_path))
    assert (tmp_path / LOCK).read_text() == str(os.getpid())
    with pytest.raises(OSError, match="full"), stack:
        raise OSError("full")
    assert not (tmp_path / LOCK).exists()
