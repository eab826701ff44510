"""`nba import`: the command around `importing`."""

from __future__ import annotations

import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType

import click
import msgspec

from nba_engine.app import open_app
from nba_engine.cli.following import Followed, follow, followed_sources
from nba_engine.cli.importing import ImportReport, Progress, import_file
from nba_engine.cli.output import errors, progress_bar, say, settings_option
from nba_engine.cli.rows import files_in
from nba_engine.domain import Attribute, Interaction, InteractionResult, ProfileUpdate
from nba_engine.engine import Engine, Rejected
from nba_engine.sources import Holds

__all__ = ["EngineDestination", "import_command"]

SHOWN_REASONS = 20
POLL_SECONDS = 0.5


class EngineDestination:
    """Writes through the engine: checked against the schema, folded into aggregates."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @property
    def attributes(self) -> Mapping[str, Attribute]:
        """The declared profile attributes."""
        return self._engine.catalog.attributes

    def progress(self, name: str) -> Progress:
        """How far an earlier run came with a file."""
        noted = self._engine.store.progress(name)
        return msgspec.json.decode(noted, type=Progress) if noted else Progress()

    def checked(self, update: ProfileUpdate) -> ProfileUpdate:
        """The update in its normal form. Raises `InvalidRequest`."""
        return self._engine.checked_update(update)

    def write_profiles(self, updates: Sequence[ProfileUpdate], name: str, at: Progress) -> None:
        """Write profiles and the progress in one commit."""
        self._engine.load(updates=updates, progress=(name, _noted(at)))

    def write_interactions(
        self, interactions: Sequence[Interaction], name: str, at: Progress
    ) -> Sequence[InteractionResult]:
        """Record interactions and the progress in one commit."""
        return self._engine.load(interactions=interactions, progress=(name, _noted(at)))


def _noted(at: Progress) -> str:
    return msgspec.json.encode(at).decode()


@click.command("import")
@click.argument("kind", type=click.Choice(["profiles", "interactions"]))
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True), metavar="FILES…"
)
@settings_option
@click.option("--again", is_flag=True, help="Start from the first row, whatever was done before.")
@click.option(
    "--follow", "following", is_flag=True, help="Go on reading as files grow, until Ctrl-C."
)
def import_command(
    kind: Holds,
    files: tuple[Path, ...],
    settings: Path,
    again: bool,  # noqa: FBT001 (click hands flags over as booleans)
    following: bool,  # noqa: FBT001
) -> int:
    """Import profiles or interactions from Parquet, CSV or JSON lines, or folders of these.

    Profiles: a column `identity`, one per declared attribute, and `consent:<purpose>:<channel>`
    with true or false. Interactions: `interaction_id`, `identity`, `type`, `time` (ISO 8601 or
    seconds since the epoch), optionally `recommendation_id`; every other column is a property.

    An import that was interrupted goes on where it stopped when it is started again, and a file
    that was finished is left alone; `--again` starts from the first row. A repeated interaction id
    has no second effect. Bad rows are listed and the others imported; the exit code is 1 then.

    With --follow, CSV and JSON lines are read as they grow, with new files of folders, renamed and
    replaced ones. Each run goes on where the one before was stopped.

    \b
    nba import profiles customers.jsonl
    nba import interactions history.parquet 2026.csv
    nba import interactions --follow inbox/
    """  # noqa: D301 (click reads the backspace as: keep these lines)
    if following and again:
        raise click.UsageError("--follow goes on where it was stopped: leave --again out")
    rejected = 0
    with open_app(settings) as app:
        if following:
            return _follow(app.engine, kind, files)
        destination = EngineDestination(app.engine)
        for file in files_in(files):
            with progress_bar(counted=False) as bar:
                task = bar.add_task(file.name, total=None)
                report = import_file(
                    file,
                    kind,
                    destination,
                    lambda at, total, bar=bar, task=task: bar.update(  # type: ignore[misc]
                        task, completed=at, total=total
                    ),
                    again=again,
                )
            _print_report(file, report)
            rejected += report.rejected + report.earlier.rejected
    return 1 if rejected else 0


def _follow(engine: Engine, kind: Holds, paths: Sequence[Path]) -> int:
    """Until Ctrl-C; the exit code says whether anything was rejected."""
    so_far = Followed()
    shown = 0

    def reject(rejected: Sequence[Rejected]) -> None:
        nonlocal shown
        for one in rejected[: max(0, SHOWN_REASONS - shown)]:
            errors.print(f"  {one.place}: {one.problem}", markup=False, highlight=False)
        shown += len(rejected)

    sources = followed_sources(paths, kind)
    stopping: list[int] = []

    def stop(number: int, _frame: FrameType | None) -> None:
        stopping.append(number)  # after the batch in hand; a second time, at once
        signal.signal(number, signal.default_int_handler)

    former = signal.signal(signal.SIGINT, stop)
    try:
        with errors.status("reading", spinner="simpleDots") as status:
            for so_far in follow(
                engine,
                sources,
                reject,
                poll_seconds=POLL_SECONDS,
                stopping=lambda: bool(stopping),
            ):
                status.update(_so_far(so_far))
    finally:
        signal.signal(signal.SIGINT, former)
        for source in sources.values():
            source.close()
    if shown > SHOWN_REASONS:
        errors.print(f"  … and {shown - SHOWN_REASONS} more", markup=False)
    say(_so_far(so_far))
    return 1 if so_far.rejected else 0


def _so_far(so_far: Followed) -> str:
    parts = [f"{so_far.written:,} imported"]
    if so_far.duplicates:
        parts.append(f"{so_far.duplicates:,} known already")
    if so_far.rejected:
        parts.append(f"{so_far.rejected:,} rejected")
    if so_far.behind:
        parts.append(f"{so_far.behind:,} bytes to go")
    return ", ".join(parts)


def _print_report(file: Path, report: ImportReport) -> None:
    if report.earlier.finished:
        bad = f", {report.earlier.rejected} rejected" if report.earlier.rejected else ""
        say(f"{file}: imported by an earlier run ({report.earlier.rows} rows{bad})")
        say("  import it once more with --again, say after mending the catalog")
        return
    parts = [f"{report.written} imported"]
    if report.duplicates:
        parts.append(f"{report.duplicates} known already")
    if report.skipped:
        parts.append(f"{report.skipped} done by an earlier run")
    if report.rejected:
        parts.append(f"{report.rejected} rejected")
    say(f"{file}: {', '.join(parts)}")
    for message, rejection in list(report.rejections.items())[:SHOWN_REASONS]:
        more = f" (and {rejection.rows - 1} more rows)" if rejection.rows > 1 else ""
        errors.print(f"  row {rejection.row}{more}: {message}", markup=False, highlight=False)
    if len(report.rejections) > SHOWN_REASONS:
        errors.print(f"  … and {len(report.rejections) - SHOWN_REASONS} more reasons")
