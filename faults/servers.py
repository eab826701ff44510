"""`nba serve --processes N`, its log, and the one who kills its processes."""

from __future__ import annotations

import os
import random
import resource
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import orjson

from faults.world import World

__all__ = ["Servers"]

START, READY = 60.0, 60.0  # seconds until all, and one that was killed, must be ready


class Servers:
    """The supervisor and its processes. A context manager. ``environ``: more variables for them.

    Everything they log but their decisions is in ``servers.log`` beside the settings.
    """

    def __init__(self, world: World, environ: Mapping[str, str] | None = None) -> None:
        self._ready = world.settings.parent / "ready"
        command = [sys.executable, "-P", "-m", "nba_engine.cli", "serve", "-s", str(world.settings)]
        self._process = subprocess.Popen(
            [*command, "--ready-file", str(self._ready)],
            stdout=subprocess.PIPE,
            env={**os.environ, **(environ or {})},
        )
        self._changed = threading.Condition()
        self._pids: dict[int, int] = {}  # number → pid of the process that is ready
        self._all = False
        self.log: list[dict[str, Any]] = []  # warnings and worse
        self.decided: Counter[int] = Counter()  # number of the process → its decisions
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        with self._changed:
            if not self._changed.wait_for(lambda: self._all, START):
                self._process.kill()
                raise RuntimeError(f"the servers did not start: {self.log}")
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        self.exit_code = self._process.wait()
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        self.cpu_seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        self._reader.join()
        if self._process.stdout is not None:
            self._process.stdout.close()

    @property
    def address(self) -> str:
        return Path(self._ready).read_text("utf-8")

    def kill_one(self, chosen: random.Random) -> None:
        """``kill -9`` one of those that are ready; returns when it is ready again."""
        self.await_ready(self.kill(chosen))

    def kill(self, chosen: random.Random) -> int:
        """``kill -9`` one of those that are ready; its number."""
        with self._changed:
            number = chosen.choice(sorted(self._pids))
            os.kill(self._pids.pop(number), signal.SIGKILL)
            return number

    def await_ready(self, number: int) -> None:
        """Return when this one is ready again."""
        with self._changed:
            if not self._changed.wait_for(lambda: number in self._pids, READY):
                raise RuntimeError(f"process {number} did not come back: {self.log}")

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._ready.with_name("servers.log").open("wb", buffering=0) as log:
            for line in self._process.stdout:
                told = orjson.loads(line)
                if told["event"] == "decision":
                    self.decided[told["process"]] += 1
                    continue
                log.write(line)
                self._heard(told)

    def _heard(self, told: dict[str, Any]) -> None:
        with self._changed:
            if told["event"] == "process ready":
                self._pids[told["process"]] = told["pid"]
            self._all = self._all or told["event"] == "all processes ready"
            if told["level"] != "info":
                self.log.append(told)
            self._changed.notify_all()
