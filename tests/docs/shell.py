"""A shell that goes on between blocks, as a reader's terminal does."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

__all__ = ["Shell"]


class Shell:
    """Blocks run in one shell, one after the other: ``cd``, variables and activation carry on.

    A block that fails ends the shell (``set -e``), as a reader would stop there.
    """

    def __init__(self, folder: Path, environ: Mapping[str, str], notes: Path) -> None:
        self._notes = notes
        notes.mkdir(parents=True, exist_ok=True)
        self._sh = subprocess.Popen(
            ["/bin/sh", "-s"],
            cwd=folder,
            env=dict(environ),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close()

    def _start(self, text: str) -> tuple[Path, Path]:
        self._count += 1
        block = self._notes / f"{self._count}.sh"
        out, err = block.with_suffix(".out"), block.with_suffix(".err")
        block.write_text(f"set -e\n{text}")
        assert self._sh.stdin
        self._sh.stdin.write(f". {block} >{out} 2>{err} </dev/null; echo; echo done $PWD\n")
        self._sh.stdin.flush()
        return out, err

    def run(self, text: str, *, timeout: float = 120) -> str:
        """Run a block to its end; what it printed. Fails when one of its commands does."""
        out, err = self._start(text)
        timer = threading.Timer(timeout, self.close, kwargs={"signal_number": signal.SIGKILL})
        timer.start()
        try:
            said = self._next("done ")
        finally:
            timer.cancel()
        assert said, f"failed:\n{text}\n{out.read_text()}{err.read_text()}"
        self.folder = Path(said.removeprefix("done "))
        return out.read_text()

    def leave_running(self, text: str, *, until: str) -> str:
        """Start a block that does not end; returns the line with ``until`` once it was printed."""
        # the last line replaces the shell, so that a signal reaches the program itself
        *before, last = text.strip().splitlines()
        assert self._sh.stdin
        self._sh.stdin.write("\n".join(["set -e", *before, f"exec {last} 2>&1", ""]))
        self._sh.stdin.flush()
        said = self._next("", containing=until)
        assert said, f"ended before it said {until!r}:\n{text}"
        return said

    def _next(self, start: str, containing: str = "") -> str:
        assert self._sh.stdout
        for line in self._sh.stdout:
            if line.startswith(start) and containing in line:
                return line.rstrip("\n")
        return ""

    def close(self, signal_number: int = signal.SIGTERM) -> int:
        """End the shell and whatever it started; its exit code."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._sh.pid, signal_number)
        code = self._sh.wait(timeout=30)
        for pipe in (self._sh.stdin, self._sh.stdout):
            assert pipe
            with contextlib.suppress(BrokenPipeError):
                pipe.close()
        return code
