"""Settings, plugins and catalog files → a snapshot the engine can serve, or every mistake."""

from __future__ import annotations

import re
import time
from collections.abc import Collection, Iterable, Mapping

from nba_engine.app.objectives import objective_mistakes, order_mistakes
from nba_engine.app.profile_sources import supplied_mistakes
from nba_engine.app.resources import AppResources
from nba_engine.catalog import Vocabulary, load_leniently
from nba_engine.domain.fitted import AFFINITIES, UNFITTED, FittedTable
from nba_engine.engine import Snapshot
from nba_engine.errors import Mistake, MistakesFound
from nba_engine.models import load_fitted
from nba_engine.pipeline import Pipeline, StagePool, build_pipeline
from nba_engine.plugin import Register
from nba_engine.settings import Settings

__all__ = ["Assembly", "distinct"]

_SETTING = re.compile(r"pipeline(\[\d+\]\.|$)")


class Assembly:
    """Makes snapshots; the engine calls it again for each new catalog. Thread-safe."""

    def __init__(
        self,
        settings: Settings,
        register: Register,
        *,
        file: str = "nba.toml",
        told: Collection[str] = (),
    ) -> None:
        """``told`` are places in the settings (``models.x``) with mistakes that are known."""
        self._settings = settings
        self._register = register
        self._file = file
        self._told = frozenset(told)
        self._pool = StagePool()
        self.seconds = 0.0  # what the last one took

    def __call__(self, files: Mapping[str, str], models: Mapping[str, str] = {}) -> Snapshot:
        """A snapshot of these catalog files. Raises `MistakesFound` with every mistake.

        ``models`` are versions of models of the registry, by their names in the settings; of the
        others it takes what is promoted now.
        """
        return self.assemble(files, models=models)

    def assemble(
        self,
        files: Mapping[str, str],
        *,
        folder: str = "",
        complete: bool = True,
        models: Mapping[str, str] = {},
    ) -> Snapshot:
        """The same for files of a ``folder``, which mistakes then name with them.

        Without ``complete`` there are more files, which could not be read; the rest is checked.
        """
        started = time.monotonic()
        fitted, fitted_version, unread = self._fitted(models.get(AFFINITIES, ""))
        vocabulary = self._vocabulary(fitted)
        catalog, mistakes = load_leniently(files, vocabulary, folder=folder, complete=complete)
        mistakes += unread
        whole = complete and not mistakes
        if whole:
            mistakes += supplied_mistakes(self._settings, catalog, self._file)
            mistakes += objective_mistakes(self._settings, catalog, self._file)
            mistakes += order_mistakes(self._settings, self._file)
        resources = AppResources(
            catalog,
            self._settings,
            self._register,
            file=self._file,
            name=catalog.name,
            whole=whole,
            told=self._told,
            pinned=models,
        )
        mistakes += resources.open_all()
        pipeline: Pipeline | None = None
        try:
            pipeline = self._pipeline(resources)
        except MistakesFound as found:
            news = [mistake for mistake in found.mistakes if not self._is_told(mistake)]
            mistakes += [mistake for mistake in news if whole or self._is_setting(mistake)]
        if mistakes or pipeline is None or not whole:
            raise MistakesFound(distinct(mistakes))
        self.seconds = time.monotonic() - started
        return Snapshot(
            catalog,
            pipeline,
            model_versions=resources.model_versions()
            | ({AFFINITIES: fitted_version} if fitted_version else {}),
            rebuild=lambda changed: self._pipeline(resources.over(changed)),
        )

    def _fitted(self, version: str) -> tuple[FittedTable, str, list[Mistake]]:
        """What was fitted of aggregates, in this version if it is still there; and what is wrong."""
        if version == UNFITTED:
            return FittedTable(), "", []
        try:
            return *load_fitted(self._settings.affinities.path, version), []
        except MistakesFound as found:
            return FittedTable(), "", list(found.mistakes)

    def _vocabulary(self, fitted: FittedTable) -> Vocabulary:
        return Vocabulary(
            fitted=fitted,
            functions=self._register.rule_functions,
            channel_kinds=frozenset(self._register.channels),
        )

    def _is_told(self, mistake: Mistake) -> bool:
        """Whether it follows from what is known to be wrong in the settings."""
        if mistake.file != self._file:
            return False
        if mistake.place == "pipeline":  # no stages, or none that could be read
            return any(place.startswith("pipeline") for place in self._told)
        return bool({mistake.place, mistake.place.partition(".")[0]} & self._told)

    def _is_setting(self, mistake: Mistake) -> bool:
        """Whether it is about a stage's settings: what else fails may fail for the catalog."""
        return mistake.file == self._file and _SETTING.match(mistake.place) is not None

    def _pipeline(self, resources: AppResources) -> Pipeline:
        return build_pipeline(
            self._settings.pipeline,
            self._register,
            resources,
            self._settings.breaker,
            file=self._file,
            pool=self._pool,
        )


def distinct(mistakes: Iterable[Mistake]) -> list[Mistake]:
    """Each mistake once, in the order found: two stages may stumble over the same model."""
    return list(dict.fromkeys(mistakes))
