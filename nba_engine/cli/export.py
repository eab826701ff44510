"""`nba export`: everything that is held about a customer, as JSON lines."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import click

from nba_engine.app import open_app
from nba_engine.cli.output import counted, progress_bar, say, settings_option

__all__ = ["export_command"]


@click.command("export")
@click.argument("identity")
@settings_option
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="The file to write; one that is there is replaced.",
)
def export_command(identity: str, settings: Path, out: Path) -> None:
    """Write everything held about the customer behind IDENTITY (such as crm:42) to a file.

    A JSON object per line: the customer, links, consents with their history, interactions,
    reservations, what was used of limits, and all logged decisions, those that were moved to
    Parquet included. Sensitive attributes are in it: the file is readable for its owner only.
    ExportProfile gives the same over gRPC. Nothing is changed or removed.

    \b
    nba export crm:42 --out crm-42.jsonl
    """  # noqa: D301 (click reads the backspace as: keep these lines)
    if not out.absolute().parent.is_dir():
        raise click.BadParameter(f"there is no folder {out.absolute().parent}", param_hint="--out")
    written: Counter[str] = Counter()
    with open_app(settings) as app:
        entries = app.engine.export(identity)
        draft = out.with_name(f"{out.name}.part")
        draft.unlink(missing_ok=True)
        try:
            with (
                os.fdopen(
                    os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb"
                ) as file,
                progress_bar(counted=False) as bar,
            ):
                task = bar.add_task("exporting", total=None)
                for entry in entries:
                    file.write(entry.json() + b"\n")
                    written[entry.kind] += 1
                    bar.update(task, description=f"{entry.kind} {written[entry.kind]:,}")
            draft.replace(out)
        finally:
            draft.unlink(missing_ok=True)
    told = (counted(count, f"{kind}s") for kind, count in written.items())
    say(f"{out}: {', '.join(told)}")
