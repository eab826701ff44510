"""Everything short of opening a store: reads, loads, builds, and collects every mistake."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path

import msgspec

from nba_engine.app.assembly import Assembly, distinct
from nba_engine.app.batch import batch_mistakes
from nba_engine.app.intakes import intake_mistakes
from nba_engine.app.plugins import load_plugins
from nba_engine.app.profile_sources import source_mistakes
from nba_engine.app.sinks import sink_mistakes
from nba_engine.catalog import read_leniently
from nba_engine.engine import Snapshot
from nba_engine.engine.contact_plans import PlanContacts
from nba_engine.errors import FailedPrecondition, Mistake, MistakesFound
from nba_engine.plugin import Plugins, Register
from nba_engine.settings import Settings, add_lines, join, read_settings, read_text, suggest

__all__ = ["Prepared", "check", "plan_mistakes", "prepared"]


_PLAN = "[contact_plan]"


class Prepared(msgspec.Struct, kw_only=True):
    """What could be made of a settings file, and what stood in the way of the rest."""

    plugins: Plugins
    settings: Settings | None = None
    assembly: Assembly | None = None
    files: dict[str, str] = {}
    snapshot: Snapshot | None = None
    mistakes: list[Mistake]


def check(settings_path: str | Path, *, environ: Mapping[str, str] | None = None) -> list[Mistake]:
    """Every mistake of settings, plugins, catalog, models, pipeline and templates, in one run.

    Nothing is created: no store, no log, no thread.
    """
    found = prepared(settings_path, environ)
    return [*found.mistakes, *plan_mistakes(found)]


def prepared(settings_path: str | Path, environ: Mapping[str, str] | None = None) -> Prepared:
    """Make all that does not need a store; never stops at the first mistake."""
    file = str(settings_path)
    settings, mistakes = read_settings(settings_path, environ)
    if settings is None:
        return Prepared(plugins=load_plugins(), mistakes=mistakes)
    plugins = load_plugins(settings.plugins)
    told = {*_missing(settings), *(mistake.place for mistake in mistakes)}
    mistakes = [*mistakes, *plugins.mistakes]
    mistakes += _store_mistakes(settings, plugins.register, file)
    mistakes += sink_mistakes(settings, plugins.register, file)
    mistakes += intake_mistakes(settings, plugins.register, file)
    mistakes += source_mistakes(settings, plugins.register, file)
    mistakes += batch_mistakes(settings.batch, plugins.register, file)
    assembly = Assembly(settings, plugins.register, file=file, told=told)
    folder = _shown(settings.catalog.path, Path(settings_path))
    complete = settings.catalog.path.is_dir()  # if not, that is told
    files: dict[str, str] = {}
    if complete:
        files, unread = read_leniently(settings.catalog.path, folder)
        mistakes += unread
        complete = not unread
    snapshot: Snapshot | None = None
    try:
        snapshot = assembly.assemble(files, folder=folder, complete=complete)
    except MistakesFound as found:
        mistakes += found.mistakes
    text, _ = read_text(Path(settings_path), file)
    return Prepared(
        plugins=plugins,
        settings=settings,
        assembly=assembly,
        files=files,
        snapshot=snapshot,
        mistakes=add_lines(distinct(mistakes), {file: text}),
    )


def plan_mistakes(found: Prepared) -> Iterator[Mistake]:
    """What `nba plan` would refuse; a server does without plans, and starts."""
    catalog = None if found.snapshot is None else found.snapshot.catalog
    if catalog is None or catalog.contact_plan is None:
        return
    try:
        PlanContacts(catalog, catalog.contact_plan.terms, starts=0.0)
    except FailedPrecondition as error:
        file = next((name for name, text in found.files.items() if _PLAN in text), "")
        told = error.message.removeprefix(f"{_PLAN} cannot be planned: ")
        message, _, remedy = told.rpartition(": ")
        mistake = Mistake(
            file=file,
            place="contact_plan",
            message=message or told,
            remedy=remedy if message else "",
        )
        yield from add_lines([mistake], found.files)


def _missing(settings: Settings) -> Iterator[str]:
    """The places of models and tables that are not there, which the settings' reader tells."""
    for section, paths, is_there in (
        ("models", settings.models, Path.is_dir),
        ("tables", settings.tables, Path.is_file),
    ):
        yield from (
            join(section, name)
            for name, path in paths.items()
            if isinstance(path, Path) and not is_there(path)
        )


def _shown(folder: Path, settings_path: Path) -> str:
    """A folder as users find it from where they are: beside the settings file, if it is there."""
    home = settings_path.resolve().parent
    return (
        str(settings_path.parent / folder.relative_to(home))
        if home in folder.parents
        else str(folder)
    )


def _store_mistakes(settings: Settings, register: Register, file: str) -> list[Mistake]:
    mistakes: list[Mistake] = []
    if settings.store.decision_log_days is not None and find_spec("pyarrow") is None:
        mistakes.append(
            Mistake(
                file=file,
                place="store.decision_log_days",
                message="moving decisions to Parquet needs pyarrow, which is not installed",
                remedy="pip install 'nba-engine[data]', or take the setting away",
            )
        )
    scheme = settings.store.url.partition(":")[0]
    if scheme in register.stores:
        return mistakes
    return [
        *mistakes,
        Mistake(
            file=file,
            place="store.url",
            message=f"no plugin offers stores of the scheme {scheme!r}",
            remedy=suggest(scheme, register.stores, "schemes"),
        ),
    ]
