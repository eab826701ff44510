"""`nba serve`: the engine behind gRPC."""

from __future__ import annotations

import os
from pathlib import Path

import click
import msgspec

from nba_engine.cli.output import settings_option
from nba_engine.errors import Mistake, MistakesFound

__all__ = ["serve_command"]

_LISTEN = "NBA_SERVER__LISTEN"


@click.command("serve")
@settings_option
@click.option("--listen", help="Address to listen on; overrides server.listen. Port 0 picks one.")
@click.option(
    "--ready-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write host:port here once the server is ready (for scripts and tests).",
)
def serve_command(settings: Path, listen: str | None, ready_file: Path | None) -> None:
    """Answer decisions over gRPC until SIGTERM or Ctrl-C.

    Logs are JSON lines on standard output, one per decision. The server listens on this machine
    only, unless the settings allow more.
    """
    # imported here: the other commands need neither the gRPC stack nor its start-up time
    from nba_engine.app import open_app
    from nba_engine.server import serve

    if ready_file is not None and not ready_file.absolute().parent.is_dir():
        raise click.BadParameter(
            f"there is no folder {ready_file.absolute().parent}", param_hint="--ready-file"
        )
    environ = dict(os.environ)
    if listen:
        environ[_LISTEN] = listen
    try:
        opened = open_app(settings, environ=environ)
    except MistakesFound as found:
        if not listen:
            raise
        raise MistakesFound([_as_typed(mistake) for mistake in found.mistakes]) from None
    with opened as app:
        serve(app.engine, app.settings, ready_file=ready_file)


def _as_typed(mistake: Mistake) -> Mistake:
    """A mistake of ``--listen`` under the name the user gave it."""
    if _LISTEN not in mistake.place:
        return mistake
    return msgspec.structs.replace(mistake, file="nba serve", place="--listen")
