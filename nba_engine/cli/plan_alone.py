"""One run at a time in a folder: two would replace each other's files."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nba_engine.errors import FailedPrecondition

__all__ = ["LOCK", "alone_in"]

LOCK = "plan.lock"


@contextmanager
def alone_in(out: Path) -> Iterator[None]:
    """Hold the folder, made if it is not there, until the end, or the end of the process.

    Raises `FailedPrecondition` with the number of the process that holds it.
    """
    out.mkdir(parents=True, exist_ok=True)
    path = out / LOCK
    file = _locked(path)
    try:
        os.truncate(file, 0)
        os.pwrite(file, str(os.getpid()).encode(), 0)
        yield
    finally:
        path.unlink(missing_ok=True)  # before others can lock it
        os.close(file)


def _locked(path: Path) -> int:
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            # of this process alone: what workers inherit of it holds nothing
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(file), path.stat()):
                return file
        except FileNotFoundError:
            pass
        except BlockingIOError:
            number = os.pread(file, 20, 0).decode("ascii", "replace")
            who = f"process {number}" if number else "another process"
            os.close(file)
            raise FailedPrecondition(
                f"{who} is planning into {path.parent}: wait until it is done, or give "
                "another --out"
            ) from None
        os.close(file)  # removed by its owner before it was locked: the next one is another file
