"""What factories get: the catalog, its channels, and the models and tables of the settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from nba_engine.domain import (
    CatalogView,
    Channel,
    ChannelSpec,
    ComplementTable,
    ModelRuntime,
    Renderer,
    Scorer,
    Treatment,
)
from nba_engine.errors import Mistake, MistakesFound
from nba_engine.models import load_table, open_scorer
from nba_engine.plugin import Register
from nba_engine.settings import Settings, convert, join, suggest

__all__ = ["AppResources"]

_T = TypeVar("_T")
FILE = "nba.toml"


class AppResources:
    """`nba_engine.domain.Resources` over one catalog. Everything is opened once, when asked for.

    `over` gives the same for a changed copy of the catalog: channels, models and tables depend on
    nothing that a what-if question changes, so they are shared.
    """

    def __init__(self, catalog: CatalogView, settings: Settings, register: Register) -> None:
        self._catalog = catalog
        self._settings = settings
        self._register = register
        self._channels: dict[str, Channel] = {}
        self._opened: dict[tuple[str, str], object] = {}  # kind and name → the thing, or why not

    @property
    def catalog(self) -> CatalogView:
        return self._catalog

    @property
    def channels(self) -> Mapping[str, Channel]:
        """Channel id → implementation; those that could be built."""
        return self._channels

    def over(self, catalog: CatalogView) -> AppResources:
        """The same resources over a changed copy of the catalog."""
        other = AppResources(catalog, self._settings, self._register)
        other._channels = self._channels
        other._opened = self._opened
        return other

    def open_all(self) -> list[Mistake]:
        """Open everything that settings and catalog name; every mistake on the way."""
        mistakes: list[Mistake] = []
        for spec in self._catalog.channels.values():
            channel, found = self._channel(spec)
            mistakes.extend(found)
            if channel is not None:
                self._channels[spec.id] = _Prepared(channel)
        for names, open_one in (
            (self._settings.tables, self.complements),
            (self._settings.models, self.scorer),
        ):
            for name in names:
                try:
                    open_one(name)
                except MistakesFound as found_here:
                    mistakes.extend(found_here.mistakes)
        return mistakes

    def scorer(self, model: str) -> Scorer:
        """The named model bound to this catalog. Raises `MistakesFound`."""
        return self._once("model", model, self._settings.models, self._open_scorer)

    def complements(self, table: str) -> ComplementTable:
        """The named complement table. Raises `MistakesFound`."""
        return self._once("table", table, self._settings.tables, load_table)

    def model_versions(self) -> dict[str, str]:
        """Name → version of every model that could be opened."""
        return {name: self.scorer(name).version for name in self._settings.models}

    def _once(
        self, kind: str, name: str, paths: Mapping[str, Path], open_one: Callable[[Path], _T]
    ) -> _T:
        """Open a named thing once; a failure is remembered and told again."""
        if name not in paths:
            message = f"there is no {kind} {name!r} under [{kind}s]"
            remedy = suggest(name, paths, f"{kind}s")
            place = join(f"{kind}s", name)
            raise MistakesFound([Mistake(file=FILE, place=place, message=message, remedy=remedy)])
        key = (kind, name)
        if key not in self._opened:
            try:
                self._opened[key] = open_one(paths[name])
            except MistakesFound as found:
                self._opened[key] = found
        opened = self._opened[key]
        if isinstance(opened, MistakesFound):
            raise opened
        return opened  # type: ignore[return-value] # keyed by kind

    def _open_scorer(self, folder: Path) -> Scorer:
        tables: dict[str, ComplementTable] = {}
        for name in self._settings.tables:
            try:
                tables[name] = self.complements(name)
            except MistakesFound:
                continue  # told where tables are opened
        return open_scorer(folder, self._catalog, self._runtimes(), tables)

    def _runtimes(self) -> Mapping[str, ModelRuntime]:
        runtimes: dict[str, ModelRuntime] = {}
        offers = self._register.model_runtimes
        for name, factory in offers.items():
            try:
                runtimes[name] = factory()
            except (Exception, SystemExit) as error:
                message = (
                    f"the model runtime {name!r} of plugin {offers.plugin(name)!r} cannot start: "
                    f"{type(error).__name__}: {error}"
                )
                raise MistakesFound(
                    [Mistake(file=FILE, place="models", message=message)]
                ) from error
        return runtimes

    def _channel(self, spec: ChannelSpec) -> tuple[Channel | None, list[Mistake]]:
        place = join("channels", spec.id)
        factory = self._register.channels.get(spec.kind)
        if factory is None:
            return None, []  # the catalog's loader has told
        settings, mistakes = convert(
            dict(spec.settings), factory.settings, "catalog", f"{place}.settings"
        )
        if settings is None or mistakes:
            return None, mistakes
        try:
            return factory.build(settings, self._catalog), []
        except MistakesFound as found:
            return None, list(found.mistakes)
        except (Exception, SystemExit) as error:
            plugin = self._register.channels.plugin(spec.kind)
            message = (
                f"channel kind {spec.kind!r} of plugin {plugin!r} could not be built: "
                f"{type(error).__name__}: {error}"
            )
            return None, [Mistake(file="catalog", place=place, message=message)]


class _Prepared:
    """A channel that prepares each treatment once, however many pipelines are built over it."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._renderers: dict[str, Renderer] = {}

    def prepare(self, treatment: Treatment) -> Renderer:
        renderer = self._renderers.get(treatment.id)
        if renderer is None:
            renderer = self._renderers[treatment.id] = self._channel.prepare(treatment)
        return renderer
