"""Everything short of opening a store: reads, loads, builds, and collects every mistake."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from nba_engine.app.assembly import Assembly, distinct
from nba_engine.app.plugins import load_plugins
from nba_engine.catalog import read_folder
from nba_engine.engine import Snapshot
from nba_engine.errors import Mistake, MistakesFound
from nba_engine.plugin import Plugins, Register
from nba_engine.settings import Settings, add_lines, read_settings, read_text, suggest

__all__ = ["Prepared", "check", "prepared"]


class Prepared(msgspec.Struct, kw_only=True):
    """What could be made of a settings file, and what stood in the way of the rest."""

    plugins: Plugins
    settings: Settings | None = None
    assembly: Assembly | None = None
    snapshot: Snapshot | None = None
    mistakes: list[Mistake]


def check(settings_path: str | Path, *, environ: Mapping[str, str] | None = None) -> list[Mistake]:
    """Every mistake of settings, plugins, catalog, models, pipeline and templates, in one run.

    Nothing is created: no store, no log, no thread.
    """
    return prepared(settings_path, environ).mistakes


def prepared(settings_path: str | Path, environ: Mapping[str, str] | None = None) -> Prepared:
    """Make all that does not need a store; never stops at the first mistake."""
    settings, mistakes = read_settings(settings_path, environ)
    if settings is None:
        return Prepared(plugins=load_plugins(), mistakes=mistakes)
    plugins = load_plugins(settings.plugins)
    mistakes = [*mistakes, *plugins.mistakes]
    mistakes += _store_mistakes(settings, plugins.register, str(settings_path))
    assembly = Assembly(settings, plugins.register, file=str(settings_path))
    snapshot: Snapshot | None = None
    try:
        snapshot = assembly(read_folder(settings.catalog.path))
    except MistakesFound as found:
        mistakes += found.mistakes
    text, _ = read_text(Path(settings_path), str(settings_path))
    return Prepared(
        plugins=plugins,
        settings=settings,
        assembly=assembly,
        snapshot=snapshot,
        mistakes=add_lines(distinct(mistakes), {str(settings_path): text}),
    )


def _store_mistakes(settings: Settings, register: Register, file: str) -> list[Mistake]:
    scheme = settings.store.url.partition(":")[0]
    if scheme in register.stores:
        return []
    return [
        Mistake(
            file=file,
            place="store.url",
            message=f"no plugin offers stores of the scheme {scheme!r}",
            remedy=suggest(scheme, register.stores, "schemes"),
        )
    ]
