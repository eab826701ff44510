"""One source behind an engine: read, written with its position, watched, opened again.

Two threads: one reads and writes, the other watches it, and leaves it behind when the source does
not answer. Of all processes that share the decision log, one has the turn.
"""

from __future__ import annotations

import fcntl
import logging
import random
import threading
import time
from collections.abc import Callable, Sequence
from io import FileIO
from pathlib import Path
from typing import Literal, TypeAlias

import msgspec

from nba_engine.app.rejects import Rejects
from nba_engine.domain import Source, SourceBatch
from nba_engine.engine import Engine, Rejected, mark_name, take_in
from nba_engine.errors import NbaError
from nba_engine.settings import SourceSettings

__all__ = ["Intake", "IntakeStatus"]

LONGEST_PAUSE = 60.0  # seconds between two attempts to open a source
_LOOK_EVERY = 2.0  # seconds: for the turn, when another process has it
_TELL_EVERY = 60.0  # seconds between two lines of what was done
_TELL_REJECTED_EVERY = 10.0
_MOST_HANGING = 8  # calls of a source that may hang at once
_CLOSING = 5.0  # seconds until a source that does not finish is left behind

_log = logging.getLogger("nba_engine.sources")

State: TypeAlias = Literal["starting", "elsewhere", "reading", "waiting", "failing", "closed"]


class IntakeStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What one source has brought since the start, and how it is.

    ``state``: ``reading`` (there is more), ``waiting`` (all is read), ``failing`` (``problem`` says
    why; it is opened again), ``elsewhere`` (another process reads it). ``behind``: how much waits,
    as the source counts.
    """

    state: State = "starting"
    interactions: int = 0
    duplicates: int = 0
    updates: int = 0
    rejected: int = 0
    behind: int = 0
    failures: int = 0  # in a row
    problem: str = ""

    @property
    def healthy(self) -> bool:
        """Whether it does what it should."""
        return self.state != "failing"


class Intake:
    """Reads one source, from `start` until `close`."""

    def __init__(
        self,
        name: str,
        wanted: SourceSettings,
        build: Callable[[], Source],
        engine: Engine,
        rejects: Rejects,
        lock: Path,
    ) -> None:
        self.name = name
        self.wanted = wanted
        self.build = build
        self.engine = engine
        self.stopping = threading.Event()
        self._rejects = rejects
        self._turn = _Turn(lock)
        self._changing = threading.Lock()
        self._status = IntakeStatus()
        self._told_status = self._status
        self._told = time.monotonic()
        self._told_rejected = -_TELL_REJECTED_EVERY
        self._watchers: list[Callable[[str, bool], None]] = []
        self._hanging: list[_Session] = []
        self._thread = threading.Thread(target=self._run, name=f"nba-intake-{name}", daemon=True)

    @property
    def status(self) -> IntakeStatus:
        """How it is at this moment."""
        return self._status

    def watch(self, watcher: Callable[[str, bool], None]) -> None:
        """Tell ``watcher`` its name and whether it is healthy: now, and when that changes."""
        with self._changing:
            self._watchers.append(watcher)
            watcher(self.name, self._status.healthy)

    def start(self) -> None:
        """Start to read, as soon as it is this process's turn."""
        self._thread.start()

    def close(self) -> None:
        """Stop after the batch in hand; not for longer than some seconds. Safe to call twice."""
        self.stopping.set()
        if self._thread.is_alive():
            self._thread.join(_CLOSING)
            if self._thread.is_alive():
                _log.warning("source %s did not finish in time and is left", self.name)
                return
        self._note(state="closed")
        self._turn.release()

    def take(self, batch: SourceBatch, follows: str, session: _Session) -> None:
        """Write a batch. Raises what the store raises."""
        taken = take_in(
            self.engine,
            self.name,
            batch,
            self._reject,
            follows=follows,
            still=lambda: not session.abandoned(),
        )
        if taken is None:
            return
        before = self._status
        self._note(
            state="reading" if batch.behind else "waiting",
            interactions=before.interactions + taken.interactions,
            duplicates=before.duplicates + taken.duplicates,
            updates=before.updates + taken.updates,
            rejected=before.rejected + taken.rejected,
            behind=batch.behind,
            failures=0,
            problem="",
        )

    def rest(self) -> None:
        """All is read."""
        self._note(state="waiting", behind=0, failures=0, problem="")

    def _run(self) -> None:
        while not self.stopping.is_set():
            if not self._turn.take():
                self._note(state="elsewhere")
                self.stopping.wait(_LOOK_EVERY)
                continue
            if self._status.state in ("starting", "elsewhere"):
                _log.info("source %s: this process reads it", self.name)
                self._note(state="reading")
            self._hanging = [session for session in self._hanging if not session.done.is_set()]
            if len(self._hanging) < _MOST_HANGING:
                session = _Session(self)
                problem = self._watched(session)
            else:
                problem = f"{_MOST_HANGING} calls of it hang"
            if self.stopping.is_set():
                return
            failures = self._status.failures + 1
            self._note(state="failing", failures=failures, problem=problem)
            pause = min(LONGEST_PAUSE, 2.0 ** min(failures - 1, 10)) * random.uniform(0.5, 1.0)
            _log.warning(
                "source %s: %s, %d in a row; it is opened again in %.1f s",
                self.name,
                problem,
                failures,
                pause,
            )
            self.stopping.wait(pause)

    def _watched(self, session: _Session) -> str:
        """Wait until a session ends, or has to be left; why, in words."""
        session.start()
        tick = min(1.0, self.wanted.timeout_seconds / 4)
        while not session.done.wait(tick):
            if session.waits_for() > self.wanted.timeout_seconds:
                session.abandon()
                self._hanging.append(session)
                return f"it did not answer for {self.wanted.timeout_seconds:g} s"
        return session.problem

    def _note(self, **changes: object) -> None:
        with self._changing:
            before = self._status
            after = msgspec.structs.replace(before, **changes)
            self._status = after
            if before.healthy != after.healthy:
                for watcher in self._watchers:
                    watcher(self.name, after.healthy)
        if before.state == "failing" and after.state in ("reading", "waiting"):
            _log.info("source %s answers again", self.name)
        self._tell(after)

    def _tell(self, status: IntakeStatus) -> None:
        now = time.monotonic()
        told = self._told_status
        news = status.interactions + status.updates + status.rejected + status.duplicates
        before = told.interactions + told.updates + told.rejected + told.duplicates
        if now - self._told < _TELL_EVERY or news == before:
            return
        self._told, self._told_status = now, status
        _log.info(
            "source %s: %d interactions and %d profiles since the last time, "
            "%d known already, %d rejected; %d behind",
            self.name,
            status.interactions - told.interactions,
            status.updates - told.updates,
            status.duplicates - told.duplicates,
            status.rejected - told.rejected,
            status.behind,
        )

    def _reject(self, rejected: Sequence[Rejected]) -> None:
        self._rejects.write(self.name, rejected)
        now = time.monotonic()
        if now - self._told_rejected >= _TELL_REJECTED_EVERY:
            self._told_rejected = now
            _log.warning(
                "source %s: %d rejected, the first at %s; %s says why",
                self.name,
                len(rejected),
                rejected[0].place,
                self._rejects.path,
            )


class _Session:
    """A source from its opening to its end, on a thread of its own."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake
        self._since: float | None = None  # since when the source has been at work
        self._positions: dict[str, str] = {}  # as the source was told
        self._left = threading.Event()
        self.problem = ""
        self.done = threading.Event()
        self._thread = threading.Thread(
            target=self._run, name=f"nba-intake-{intake.name}-read", daemon=True
        )

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def abandoned(self) -> bool:
        """Whether it was left behind: nothing that it brings is written any more."""
        return self._left.is_set()

    def abandon(self) -> None:
        """Leave it behind."""
        self._left.set()

    def waits_for(self) -> float:
        """For how many seconds the source has not come back from a call."""
        since = self._since
        return 0.0 if since is None else time.monotonic() - since

    def _run(self) -> None:
        try:
            self._since = time.monotonic()
            source = self._intake.build()
            try:
                self._follow(source)
            finally:
                self._since = time.monotonic()
                source.close()
        # a source is a plugin, and this is its thread: whatever it raises ends here
        except BaseException as error:
            self.problem = _words(error)
        finally:
            self._since = None
            self.done.set()

    def _follow(self, source: Source) -> None:
        intake = self._intake
        while not (intake.stopping.is_set() or self.abandoned()):
            self._since = time.monotonic()
            batch = source.read(
                self._position, most=intake.wanted.batch, catalog=intake.engine.catalog
            )
            self._since = None
            if self.abandoned():
                return
            if batch is None:
                intake.rest()
                intake.stopping.wait(intake.wanted.poll_seconds)
                continue
            follows = self._positions.get(batch.part)
            if follows is None:
                follows = self._position(batch.part)
            intake.take(batch, follows, self)
            self._positions[batch.part] = batch.position  # it may go on there without asking

    def _position(self, part: str) -> str:
        found = self._intake.engine.store.progress(mark_name(self._intake.name, part)) or ""
        self._positions[part] = found
        return found


class _Turn:
    """Which process reads: the one that holds a lock on a file, which ends with the process."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: FileIO | None = None

    def take(self) -> bool:
        """Whether it is this process's turn."""
        if self._file is not None:
            return True
        self._path.parent.mkdir(parents=True, exist_ok=True)
        file = self._path.open("ab", buffering=0)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
            return False
        self._file = file
        return True

    def release(self) -> None:
        """Leave it to others."""
        if self._file is not None:
            self._file.close()
            self._file = None


def _words(error: BaseException) -> str:
    """What went wrong, without what a plugin's exception may hold of a record."""
    if isinstance(error, NbaError):
        return error.message
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return f"it failed with {type(error).__name__}"
