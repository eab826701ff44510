"""`nba serve`: the engine behind gRPC."""

from __future__ import annotations

import os
from pathlib import Path

import click

from nba_engine.cli.output import settings_option

__all__ = ["serve_command"]


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

    environ = dict(os.environ)
    if listen:
        environ["NBA_SERVER__LISTEN"] = listen
    with open_app(settings, environ=environ) as app:
        serve(app.engine, app.settings, ready_file=ready_file)
