"""Settings, plugins and catalog files → a snapshot the engine can serve, or every mistake."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from nba_engine.app.resources import AppResources
from nba_engine.catalog import Vocabulary, load
from nba_engine.domain import CatalogView
from nba_engine.engine import Snapshot
from nba_engine.errors import Mistake, MistakesFound
from nba_engine.pipeline import Pipeline, StagePool, build_pipeline, check_stages
from nba_engine.plugin import Register
from nba_engine.settings import Settings

__all__ = ["Assembly", "distinct"]


class Assembly:
    """Makes snapshots; the engine calls it again for each new catalog. Thread-safe."""

    def __init__(self, settings: Settings, register: Register, *, file: str = "nba.toml") -> None:
        self._settings = settings
        self._register = register
        self._file = file
        self._pool = StagePool()

    def __call__(self, files: Mapping[str, str]) -> Snapshot:
        """A snapshot of these catalog files. Raises `MistakesFound` with every mistake."""
        catalog = self._catalog(files)
        resources = AppResources(catalog, self._settings, self._register)
        mistakes = resources.open_all()
        pipeline: Pipeline | None = None
        try:
            pipeline = self._pipeline(resources)
        except MistakesFound as found:
            mistakes.extend(found.mistakes)
        if mistakes or pipeline is None:
            raise MistakesFound(distinct(mistakes))
        return Snapshot(
            catalog,
            pipeline,
            model_versions=resources.model_versions(),
            rebuild=lambda changed: self._pipeline(resources.over(changed)),
        )

    def _catalog(self, files: Mapping[str, str]) -> CatalogView:
        vocabulary = Vocabulary(
            functions=self._register.rule_functions,
            channel_kinds=frozenset(self._register.channels),
        )
        try:
            return load(files, vocabulary)
        except MistakesFound as found:
            # the pipeline cannot be built without a catalog, but what it says can be checked
            stages = check_stages(self._settings.pipeline, self._register, self._file)
            raise MistakesFound(distinct([*found.mistakes, *stages])) from None

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
