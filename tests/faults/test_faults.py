"""The fault suite in a small form: `make faults` runs the larger ones."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

RUN = Path(__file__).parents[2] / "faults" / "run.py"


@pytest.mark.timeout(240)  # half a minute; four times that on a busy machine
@pytest.mark.usefixtures("uncovered")
def test_nothing_is_lost_exceeded_or_doubled_while_processes_are_killed(tmp_path: Path) -> None:
    size = ["--reservations", "3000", "--kills", "3"]
    done = subprocess.run(
        [sys.executable, RUN, *size, "--folder", tmp_path],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    last = done.stdout.splitlines()[-1]
    assert re.fullmatch(r"faults: lost 0, exceeded 0, double 0, kills 3, seed \d+", last), (
        done.stdout
    )
    assert done.returncode == 0, done.stdout
