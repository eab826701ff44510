"""What was fitted of aggregates is kept, and put in force in running servers."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from nba_engine.app.stored import stored_catalogs
from nba_engine.domain.fitted import FittedTable
from nba_engine.errors import MistakesFound
from nba_engine.models import load_fitted, save_fitted
from nba_engine.settings import Settings

__all__ = ["keep_fitted"]


def keep_fitted(
    settings_path: Path,
    settings: Settings,
    change: Callable[[FittedTable], FittedTable],
    *,
    environ: Mapping[str, str] | None = None,
) -> tuple[str, bool]:
    """Change the table of affinities; its new version, and whether servers decide with it now.

    A server that runs switches to it as to a publication; without one, the next one to start reads
    it. Raises `MistakesFound` when the catalog in force cannot be served; the table is kept then.
    """
    path = settings.affinities.path
    try:
        before = load_fitted(path)[0]
    except MistakesFound:  # what cannot be read is made anew
        before = FittedTable()
    version = save_fitted(path, change(before))
    given = os.environ if environ is None else environ
    with stored_catalogs(settings_path, create=False, environ=given) as catalogs:
        if not catalogs.history():
            return version, False
        catalogs.publish_models(comment=f"affinities {version}")
    return version, True
