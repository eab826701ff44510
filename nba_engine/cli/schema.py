"""`nba schema`: JSON Schemas of settings and catalog, for editors."""

from __future__ import annotations

from pathlib import Path

import click

from nba_engine.app import BUILTIN, load_plugins
from nba_engine.app.schemas import CATALOG_SCHEMA, SETTINGS_SCHEMA, schema_files
from nba_engine.cli.output import errors, say
from nba_engine.plugin import settings_sections

__all__ = ["schema_command"]

_FILES = {"settings": SETTINGS_SCHEMA, "catalog": CATALOG_SCHEMA}


@click.command("schema")
@click.argument("which", type=click.Choice(sorted(_FILES)), required=False)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write both into this folder, which is made if need be.",
)
@click.option("--built-in", is_flag=True, help="Leave out what installed plugins offer.")
def schema_command(which: str | None, out: Path | None, *, built_in: bool) -> None:
    """Print the JSON Schema of nba.toml or of the catalog's files, or write both.

    A first line `#:schema schemas/nba.schema.json` in a TOML file lets editors that know of it
    (Even Better TOML, taplo) complete and check what is written below.

    \b
    nba schema --out schemas            write both
    nba schema catalog                  print one
    """  # noqa: D301 (click reads the backspace as: keep these lines)
    if (which is None) == (out is None):
        raise click.UsageError("say which one to print, or where to write both: --out schemas")
    plugins = load_plugins()
    for mistake in plugins.mistakes:
        errors.print(f"warning: {mistake.file}: {mistake.message}", markup=False, highlight=False)
    sections = settings_sections(plugins.register)
    files = schema_files(s for s in sections if not built_in or s.plugin == BUILTIN)
    if which is not None:
        click.echo(files[_FILES[which]], nl=False)
        return
    assert out is not None
    out.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (out / name).write_text(text, encoding="utf-8")
        say(f"{out / name}")
