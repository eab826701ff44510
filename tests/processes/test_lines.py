"""Lines of several processes in one pipe."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections import Counter

WRITER = """
import sys
from nba_engine.processes.lines import whole_lines
out = whole_lines(1, int(sys.argv[2]))
for _ in range(40):
    out.write(sys.argv[1].encode() * 50_000 + b"\\n")
    out.flush()
"""


def test_lines_longer_than_a_pipe_takes_at_once_stay_whole() -> None:
    read, write = os.pipe()
    with tempfile.TemporaryFile() as lock, os.fdopen(read, "rb") as lines:
        writers = [
            subprocess.Popen(
                [sys.executable, "-c", WRITER, letter, str(lock.fileno())],
                stdout=write,
                pass_fds=[lock.fileno()],
            )
            for letter in "ab"
        ]
        os.close(write)
        counts = Counter(lines)
        for writer in writers:
            with writer:
                pass
    assert counts == {b"a" * 50_000 + b"\n": 40, b"b" * 50_000 + b"\n": 40}
