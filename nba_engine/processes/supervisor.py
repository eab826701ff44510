"""Starts server processes, starts those again that die, and stops all of them together."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

import orjson

from nba_engine.processes.address import hold
from nba_engine.processes.child import Child
from nba_engine.processes.lines import whole_lines
from nba_engine.processes.plan import Plan

__all__ = ["Supervisor"]

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0  # seconds before a process is started again
SETTLED = 10.0  # seconds after which a process that dies did not die of its start
ATTEMPTS = 5  # starts in a row that fail, while no process answers, until all is given up
MARGIN = 5.0  # seconds beyond the grace until a process that does not stop is killed

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)


class _Process:
    """One of the processes, over all its lives."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.life: subprocess.Popen[bytes] | None = None
        self.started = 0.0
        self.ready = False
        self.reload = False  # a SIGHUP came before it could take it
        self.pause = FIRST_PAUSE
        self.due: float | None = None  # when to start it again

    def send(self, number: int) -> None:
        if self.life is not None:
            self.life.send_signal(number)


class Supervisor:
    """Runs ``plan.processes`` server processes until SIGTERM or SIGINT; see docs/operations.md.

    The first one starts alone: what is wrong with settings or catalog is then said once. All run
    in process groups of their own, so that Ctrl-C reaches them through here, as one SIGTERM.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._processes = [_Process(number + 1) for number in range(plan.processes)]
        self._selector = selectors.DefaultSelector()
        self._lock = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the process)
        self._output = whole_lines(1, self._lock.fileno())
        self._address = plan.listen
        self._complete = False  # all have been ready together
        self._failed = 0  # starts in a row
        self._stopping: float | None = None  # when to kill what is left
        self._code = 0

    def run(self) -> int:
        """The exit code: 0 after a graceful stop. Raises `FailedPrecondition`. On the main thread."""
        with ExitStack() as stack:
            self._address, held = hold(self._plan.listen)
            for one in held:
                stack.enter_context(one)
            wake = stack.enter_context(_signals())
            stack.callback(self._kill)
            self._selector.register(wake, selectors.EVENT_READ)
            self._start(self._processes[0])
            while self._stopping is None or any(one.life for one in self._processes):
                for key, _ in self._selector.select(self._wait()):
                    if key.data is None:
                        for number in os.read(wake, 1024):
                            self._signal(number)
                    else:
                        self._hear(key.fd, key.data)
                self._on_time()
        self._say("info", "all processes stopped", listen=self._address)
        return self._code

    def _wait(self) -> float | None:
        """Seconds until something is due."""
        due = [one.due for one in self._processes if one.due is not None]
        if self._stopping is not None:
            due = [self._stopping]
        return max(0.0, min(due) - time.monotonic()) if due else None

    def _on_time(self) -> None:
        now = time.monotonic()
        if self._stopping is not None:
            if now >= self._stopping:
                self._say("error", "processes did not stop in time and are killed")
                self._code = self._code or 1
                self._kill()
            return
        for one in self._processes:
            if one.due is not None and now >= one.due:
                self._start(one)

    def _start(self, process: _Process) -> None:
        ready, tell = os.pipe()
        child = Child(
            number=process.number, supervisor=os.getpid(), ready=tell, lock=self._lock.fileno()
        )
        process.life = subprocess.Popen(  # noqa: S603
            [*self._plan.command, "--listen", self._address, "--child", str(child)],
            pass_fds=(tell, self._lock.fileno()),
            stdin=subprocess.DEVNULL,
            process_group=0,
        )
        os.close(tell)
        process.started, process.due = time.monotonic(), None
        process.ready = process.reload = False
        self._selector.register(ready, selectors.EVENT_READ, process)

    def _hear(self, ready: int, process: _Process) -> None:
        """A process is ready, or its end of the pipe was closed as it died."""
        told = os.read(ready, 1)
        self._selector.unregister(ready)
        os.close(ready)
        if not told or process.life is None:
            return
        process.ready = True
        self._failed = 0
        self._say("info", "process ready", process=process.number, pid=process.life.pid)
        if process.reload:
            process.send(signal.SIGHUP)
        if self._stopping is not None or self._complete:
            return
        for one in self._processes:
            if one.life is None and one.due is None:
                self._start(one)
        if all(one.ready for one in self._processes):
            self._complete = True
            if self._plan.ready_file is not None:
                _write_whole(Path(self._plan.ready_file), self._address)
            self._say("info", "all processes ready", listen=self._address)

    def _signal(self, number: int) -> None:
        if number == signal.SIGCHLD:
            for one in self._processes:
                if one.life is not None and one.life.poll() is not None:
                    self._ended(one, one.life.returncode)
        elif number == signal.SIGHUP:
            for one in self._processes:
                if one.ready:
                    one.send(signal.SIGHUP)
                one.reload = not one.ready
        elif self._stopping is None:
            name = signal.Signals(number).name
            self._say("info", "stopping", signal=name, grace_seconds=self._plan.grace_seconds)
            self._stop()
        else:  # the second one
            self._code = 128 + number
            self._kill()

    def _stop(self) -> None:
        self._stopping = time.monotonic() + self._plan.grace_seconds + MARGIN
        for one in self._processes:
            one.due = None
            one.send(signal.SIGTERM)

    def _ended(self, process: _Process, code: int) -> None:
        was_ready, process.ready, process.life = process.ready, False, None
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        if self._stopping is not None:
            # one that was not ready yet has no handler for SIGTERM, and nothing to finish
            if code and not (not was_ready and code == -signal.SIGTERM):
                self._code = self._code or 1
            return
        if not was_ready:
            self._failed += 1
            said_why = code > 0 and not self._complete
            if said_why or (self._failed >= ATTEMPTS and not self._any_ready()):
                self._give_up(process.number, how, code)
                return
        if was_ready and time.monotonic() - process.started > SETTLED:
            process.pause = FIRST_PAUSE
        process.due = time.monotonic() + process.pause
        self._say(
            "warning",
            "process ended and is started again",
            process=process.number,
            how=how,
            seconds=process.pause,
        )
        process.pause = min(2.0 * process.pause, LONGEST_PAUSE)

    def _any_ready(self) -> bool:
        return any(one.ready for one in self._processes)

    def _give_up(self, number: int, how: str, code: int) -> None:
        self._say("error", "processes do not start", process=number, how=how, attempts=self._failed)
        self._code = max(code, 0) or 1
        self._stop()

    def _kill(self) -> None:
        for one in self._processes:
            if one.life is not None:
                one.life.kill()
                one.life.wait()
                one.life = None

    def _say(self, level: str, event: str, **fields: object) -> None:
        """One line of the log, like those of the server."""
        stamp = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        if self._plan.format == "json":
            said = {**fields, "event": event, "level": level, "timestamp": stamp}
            line = orjson.dumps(said)
        else:
            more = " ".join(f"{name}={value}" for name, value in fields.items())
            line = f"{stamp} [{level:<8}] {event:<30} {more}".rstrip().encode()
        try:
            self._output.write(line + b"\n")
            self._output.flush()
        except BrokenPipeError:  # nobody reads the log: no reason to serve less
            return


@contextmanager
def _signals() -> Iterator[int]:
    """A descriptor from which the numbers of signals can be read."""
    read, write = os.pipe()
    os.set_blocking(write, False)

    def awake(_number: int, _frame: FrameType | None) -> None:
        """Python writes the number to the descriptor; SIG_IGN or SIG_DFL would keep it from that."""

    former = {number: signal.signal(number, awake) for number in _SIGNALS}
    signal.set_wakeup_fd(write)
    try:
        yield read
    finally:
        signal.set_wakeup_fd(-1)
        for number, handler in former.items():
            signal.signal(number, handler)
        os.close(read)
        os.close(write)


def _write_whole(file: Path, text: str) -> None:
    partial = file.with_name(f"{file.name}.partial")
    partial.write_text(text, "utf-8")
    partial.replace(file)
