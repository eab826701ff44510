"""`nba serve`: the engine behind gRPC."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import click
import msgspec

from nba_engine.cli.output import settings_option
from nba_engine.errors import Mistake, MistakesFound
from nba_engine.processes import Child, Plan, become_supervisor
from nba_engine.settings import read_settings

__all__ = ["serve_command"]

_OPTIONS = {"NBA_SERVER__LISTEN": "--listen", "NBA_SERVER__PROCESSES": "--processes"}

_COMMAND = (sys.executable, "-P", "-m", "nba_engine.cli", "serve")


@click.command("serve")
@settings_option
@click.option("--listen", help="Address to listen on; overrides server.listen. Port 0 picks one.")
@click.option(
    "--processes", type=int, help="Server processes at this address; overrides server.processes."
)
@click.option(
    "--ready-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write host:port here once the server is ready (for scripts and tests).",
)
@click.option("--child", hidden=True, help="What the supervisor of several processes hands on.")
def serve_command(
    settings: Path,
    listen: str | None,
    processes: int | None,
    ready_file: Path | None,
    child: str | None,
) -> None:
    """Answer decisions over gRPC until SIGTERM or Ctrl-C.

    Logs are JSON lines on standard output, one per decision. The server listens on this machine
    only, unless the settings allow more. Several processes share the address and the store; those
    that die are started again.

    SIGHUP publishes the catalog folder as it is then; a folder with mistakes changes nothing.
    Settings and plugins are read at the start only.

    \b
    nba serve --processes 4
    kill -HUP <process id>              publish what was edited
    """  # noqa: D301 (click reads the backspace as: keep these lines)
    own = None if child is None else Child.parse(child)
    if own is not None:
        own.end_with_supervisor()
    if ready_file is not None and not ready_file.absolute().parent.is_dir():
        raise click.BadParameter(
            f"there is no folder {ready_file.absolute().parent}", param_hint="--ready-file"
        )
    given = dict(zip(_OPTIONS, (listen, processes), strict=True))
    typed = {name: str(value) for name, value in given.items() if value not in (None, "")}
    environ = {**os.environ, **typed}
    if own is None:
        _supervise(settings, environ, ready_file)
    # imported here: the other commands need neither the gRPC stack nor its start-up time
    from nba_engine.app import open_app
    from nba_engine.server import serve

    try:
        opened = open_app(settings, environ=environ, publish=True)
    except MistakesFound as found:
        raise MistakesFound([_as_typed(mistake, typed) for mistake in found.mistakes]) from None
    with opened as app:
        serve(
            app.engine,
            app.settings,
            ready_file=ready_file,
            child=own,
            sources=app.intakes,
            models=app.promotions,
        )


def _supervise(file: Path, environ: Mapping[str, str], ready_file: Path | None) -> None:
    """Become the supervisor if the settings want several processes; with mistakes, do nothing."""
    settings, mistakes = read_settings(file, environ)
    if settings is None or mistakes or settings.server.processes == 1:
        return
    become_supervisor(
        Plan(
            command=(*_COMMAND, "--settings", str(file)),
            listen=settings.server.listen,
            processes=settings.server.processes,
            grace_seconds=settings.server.grace_seconds,
            ready_file=None if ready_file is None else str(ready_file),
            format=settings.logging.format,
        )
    )


def _as_typed(mistake: Mistake, typed: Mapping[str, str]) -> Mistake:
    """A mistake of an option under the name the user gave it."""
    for variable, option in _OPTIONS.items():
        if variable in typed and variable in mistake.place:
            return msgspec.structs.replace(mistake, file="nba serve", place=option)
    return mistake
