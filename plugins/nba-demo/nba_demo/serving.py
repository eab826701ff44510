"""The real server in a process of its own, as `nba serve` starts it."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from nba_engine.errors import Unavailable

__all__ = ["ServerProcess"]

_START = 60.0  # seconds until it must answer
_STOP = 30.0
_SERVE = "import sys; from nba_engine.cli import main; main(sys.argv[1:])"


class ServerProcess:
    """Starts on entering, stops gracefully on leaving; ``address`` is where it listens.

    Its log (a JSON line per decision) goes to ``log``. Raises `Unavailable` with the end of the
    log when it does not come up or did not stop cleanly.
    """

    def __init__(self, settings: Path, *, log: Path) -> None:
        self._settings = settings
        self._log = log
        self._ready = log.with_suffix(".ready")
        self._process: subprocess.Popen[bytes] | None = None
        self.address = ""

    def __enter__(self) -> Self:
        self._ready.unlink(missing_ok=True)
        command = [sys.executable, "-c", _SERVE, "serve", "-s", str(self._settings)]
        command += ["--listen", "127.0.0.1:0", "--ready-file", str(self._ready)]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)  # noqa: S603
        deadline = time.monotonic() + _START
        while not self._ready.exists():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self._process.kill()
                self._process.wait()
                raise Unavailable(f"the server did not start; its log ends: {self._tail()}")
            time.sleep(0.05)
        self.address = self._ready.read_text("utf-8")
        self._ready.unlink()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        process = self._process
        if process is None:
            return
        process.terminate()
        try:
            code = process.wait(_STOP)
        except subprocess.TimeoutExpired:
            process.kill()
            code = process.wait()
        if code and error is None:
            raise Unavailable(f"the server stopped with code {code}: {self._tail()}")

    def _tail(self) -> str:
        text = self._log.read_text("utf-8", errors="replace")
        return text[-2000:].strip() or "(empty)"
