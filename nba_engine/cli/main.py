"""The `nba` command: its group, what plugins add to it, and how errors leave it.

Exit codes: 0 done, 1 failed, 2 wrong usage, 78 mistakes in settings, catalog or models.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import click

from nba_engine import __version__
from nba_engine.cli.catalog import catalog_group
from nba_engine.cli.check import check_command
from nba_engine.cli.decide import decide_command
from nba_engine.cli.decide_all import decide_all_command
from nba_engine.cli.diff import diff_command
from nba_engine.cli.export import export_command
from nba_engine.cli.identity import identity_group
from nba_engine.cli.importing_command import import_command
from nba_engine.cli.learning import (
    affinity_group,
    crosssell_group,
    evaluate_command,
    model_group,
    reorder_group,
    segments_group,
    slipped_command,
    train_command,
    uplift_group,
    value_group,
)
from nba_engine.cli.limits import limits_command
from nba_engine.cli.log import log_group
from nba_engine.cli.output import errors
from nba_engine.cli.plan import plan_group
from nba_engine.cli.plugins import add_plugin_commands, plugin_group
from nba_engine.cli.prices import prices_group
from nba_engine.cli.rebuild import rebuild_command
from nba_engine.cli.replay import replay_command
from nba_engine.cli.schema import schema_command
from nba_engine.cli.serve import serve_command
from nba_engine.cli.store import store_group
from nba_engine.errors import Mistake, MistakesFound, NbaError

__all__ = ["CONFIG_ERROR", "FAILED", "USAGE", "main"]

FAILED, USAGE, CONFIG_ERROR = 1, 2, 78


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 done, 1 failed, 2 wrong usage, 78 mistakes in settings or catalog.",
)
@click.version_option(__version__, prog_name="nba")
def nba() -> None:
    """Decide what is best to do next for a customer, within what may be spent.

    \b
    A first walk:
      nba demo                         build an engine from a year of shopping
      nba check -s build/demo/nba.toml every mistake in settings and catalog
      nba serve -s build/demo/nba.toml answer over gRPC
      nba decide --help                one decision, explained, without a server
    """  # noqa: D301 (click reads the backspace as: keep these lines)


for command in (
    serve_command,
    check_command,
    decide_command,
    decide_all_command,
    import_command,
    identity_group,
    export_command,
    rebuild_command,
    replay_command,
    diff_command,
    evaluate_command,
    limits_command,
    plan_group,
    prices_group,
    log_group,
    affinity_group,
    reorder_group,
    store_group,
    catalog_group,
    model_group,
    schema_command,
    train_command,
    crosssell_group,
    segments_group,
    uplift_group,
    value_group,
    plugin_group,
):
    nba.add_command(command)
value_group.add_command(slipped_command)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit."""
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: Sequence[str]) -> int:
    """Run the command line; the exit code. User mistakes become one clear sentence each."""
    try:
        # these load the plugins again with the settings at hand, and name what is broken then
        add_plugin_commands(nba, quiet=bool(set(arguments[:1]) & set(nba.commands)))
        result = nba.main(args=list(arguments), prog_name="nba", standalone_mode=False)
    except click.exceptions.Exit as stop:
        return int(stop.exit_code)
    except (click.Abort, KeyboardInterrupt):  # click sees only what happens in its commands
        errors.print("stopped")
        return 130
    except click.ClickException as error:
        error.show()
        return int(error.exit_code)
    except MistakesFound as found:
        print_mistakes(found.mistakes)
        return CONFIG_ERROR
    except NbaError as error:
        whose = error.metadata.get("identity", "")
        told = f"{whose}: {error.message}" if whose else error.message
        errors.print(f"[bold red]error:[/] {_escaped(told)}", highlight=False)
        return FAILED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except OSError as error:
        errors.print(f"error: {_os_words(error)}", markup=False, highlight=False)
        return FAILED
    except Exception as error:
        if os.environ.get("NBA_DEBUG"):
            raise
        errors.print(
            f"internal error: {type(error).__name__}: {error}\n"
            "This is a mistake of nba-engine's, not yours. NBA_DEBUG=1 shows where it happened.",
            markup=False,
            highlight=False,
        )
        return FAILED
    return result if isinstance(result, int) else 0


def print_mistakes(mistakes: Sequence[Mistake]) -> None:
    """List every mistake with its file, place and remedy."""
    for mistake in mistakes:
        where = f"{mistake.file}: {mistake.place}" if mistake.place else mistake.file
        errors.print(f"[bold]{_escaped(where)}[/]", highlight=False)
        errors.print(f"    {_escaped(mistake.message)}", highlight=False)
        if mistake.remedy:
            errors.print(f"    [green]→ {_escaped(mistake.remedy)}[/]", highlight=False)
    count = len(mistakes)
    errors.print(f"{count} mistake{'s' if count != 1 else ''} found.", highlight=False)


def _os_words(error: OSError) -> str:
    """The operating system's words, with the file they are about."""
    words = error.strerror or str(error)
    return f"{error.filename}: {words}" if error.filename else words


def _escaped(text: str) -> str:
    return text.replace("[", "\\[")
