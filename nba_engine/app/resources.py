"""What factories get: the catalog, its channels, and the models and tables of the settings."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from nba_engine.app.prepared import PreparedChannel
from nba_engine.app.registered import registered_folder
from nba_engine.domain import (
    CatalogView,
    Channel,
    ChannelSpec,
    ComplementTable,
    ModelRuntime,
    Scorer,
)
from nba_engine.errors import Mistake, MistakesFound, UnknownResource
from nba_engine.models import CsrTable, check_model, load_table, open_scorer
from nba_engine.plugin import Register, told_when_slow
from nba_engine.settings import OfferedModel, RegisteredModel, Settings, convert, join, suggest

__all__ = ["AppResources", "runtimes_of"]

_S = TypeVar("_S")
_T = TypeVar("_T")
Name = Callable[[Sequence[Mistake]], list[Mistake]]


class AppResources:
    """`nba_engine.domain.Resources` over one catalog. Everything is opened once, when asked for.

    `over` gives the same for a changed copy of the catalog: channels, models and tables depend on
    nothing that a what-if question changes, so they are shared.
    """

    def __init__(
        self,
        catalog: CatalogView,
        settings: Settings,
        register: Register,
        *,
        file: str = "nba.toml",
        name: Name = list,
        whole: bool = True,
        told: Collection[str] = (),
        pinned: Mapping[str, str] = {},
    ) -> None:
        """``name`` turns mistakes in catalog files into what users see.

        Without ``whole`` the catalog has mistakes: models are checked as far as possible without
        it, and none is given out. ``told`` are places of the settings (``models.x``) whose
        mistakes are known already. ``pinned`` are versions of models of the registry, by their
        names in the settings: instead of what is promoted now.
        """
        self._catalog = catalog
        self._settings = settings
        self._register = register
        self._file = file
        self._name = name
        self._whole = whole
        self._told = told
        self._pinned = pinned
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
        other = AppResources(catalog, self._settings, self._register, file=self._file)
        other._channels = self._channels
        other._opened = self._opened
        return other

    def open_all(self) -> list[Mistake]:
        """Open everything that settings and catalog name; every mistake on the way."""
        mistakes = list(self._open_channels())
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

    def _open_channels(self) -> Iterator[Mistake]:
        """Build the channels and prepare every treatment."""
        for spec in self._catalog.channels.values():
            channel, found = self._channel(spec)
            yield from self._name(found)
            plugin = "" if channel is None else self._register.channels.plugin(spec.kind)
            who = f"channel kind {spec.kind!r} of plugin {plugin!r}"
            self._channels[spec.id] = PreparedChannel(channel, who, self._name)
        wrong: list[Mistake] = []
        with told_when_slow("preparing treatments"):
            for treatment in self._catalog.treatments:
                if treatment.channel in self._channels:
                    try:
                        self._channels[treatment.channel].prepare(treatment)
                    except MistakesFound as found_here:
                        wrong.extend(found_here.mistakes)
        yield from wrong

    def scorer(self, model: str) -> Scorer:
        """The named model bound to this catalog. Raises `MistakesFound`."""
        sources = {name: (name, source) for name, source in self._settings.models.items()}
        return self._once("model", model, sources, self._open_model)

    def complements(self, table: str) -> ComplementTable:
        """The named complement table. Raises `MistakesFound`."""
        return self._once("table", table, self._settings.tables, load_table)

    def model_versions(self) -> dict[str, str]:
        """Name → version of every model that could be opened."""
        return {name: self.scorer(name).version for name in self._settings.models}

    def _once(
        self, kind: str, name: str, sources: Mapping[str, _S], open_one: Callable[[_S], _T]
    ) -> _T:
        """Open a named thing once; a failure is remembered and told again."""
        place = join(f"{kind}s", name)
        if {place, f"{kind}s"} & {*self._told}:
            raise MistakesFound([])
        if name not in sources:
            message = f"there is no {kind} {name!r} under [{kind}s]"
            remedy = suggest(name, sources, f"{kind}s")
            raise UnknownResource(
                name, Mistake(file=self._file, place=place, message=message, remedy=remedy)
            )
        key = (kind, name)
        if key not in self._opened:
            try:
                self._opened[key] = open_one(sources[name])
            except MistakesFound as found:
                self._opened[key] = found
        opened = self._opened[key]
        if isinstance(opened, MistakesFound):
            raise opened
        return opened  # type: ignore[return-value] # keyed by kind

    def _open_model(self, named: tuple[str, Path | OfferedModel | RegisteredModel]) -> Scorer:
        name, source = named
        if isinstance(source, Path):
            return self._open_scorer(source)
        if isinstance(source, RegisteredModel):
            version, folder = registered_folder(
                self._settings, name, source, self._pinned, self._file
            )
            return self._open_scorer(folder, version)
        place = join("models", name)
        offered = self._register.models.get(source.name)
        if offered is None:
            message = f"no plugin offers a model {source.name!r}"
            remedy = suggest(source.name, self._register.models, "models")
            raise MistakesFound(
                [Mistake(file=self._file, place=place, message=message, remedy=remedy)]
            )
        if isinstance(offered, Path):
            return self._open_scorer(offered)
        if not self._whole:
            raise MistakesFound([])
        try:
            with told_when_slow(f"building model {source.name!r}"):
                return offered.build(self._catalog)
        except MistakesFound:
            raise
        except (Exception, SystemExit) as error:
            message = (
                f"model {source.name!r} of plugin {self._register.models.plugin(source.name)!r} "
                f"could not be built: {type(error).__name__}: {error}"
            )
            raise MistakesFound([Mistake(file=self._file, place=place, message=message)]) from error

    def _open_scorer(self, folder: Path, version: str = "") -> Scorer:
        if not self._whole:
            check_model(folder, runtimes_of(self._register, self._file))
            raise MistakesFound([])
        tables: dict[str, ComplementTable] = {}
        for name in self._settings.tables:
            try:
                tables[name] = self.complements(name)
            except MistakesFound:  # told where tables are opened
                tables[name] = CsrTable((), [0], [], [])
        with told_when_slow(f"loading the model in {folder}"):
            try:
                return open_scorer(
                    folder,
                    self._catalog,
                    runtimes_of(self._register, self._file),
                    tables,
                    version=version,
                )
            except MistakesFound:
                raise
            except (Exception, SystemExit) as error:
                message = f"cannot be opened: {type(error).__name__}: {error}"
                raise MistakesFound(
                    [Mistake(file=str(folder), place="", message=message)]
                ) from error

    def _channel(self, spec: ChannelSpec) -> tuple[Channel | None, list[Mistake]]:
        place = join("channels", spec.id)
        factory = self._register.channels.get(spec.kind)
        if factory is None:
            return None, []  # the catalog's loader has told
        file = spec.file or "catalog"
        settings, mistakes = convert(
            dict(spec.settings), factory.settings, file, f"{place}.settings"
        )
        if settings is None or mistakes:
            return None, mistakes
        try:
            with told_when_slow(f"building channel {spec.id!r}"):
                return factory.build(settings, self._catalog), []
        except MistakesFound as found:
            return None, list(found.mistakes)
        except (Exception, SystemExit) as error:
            plugin = self._register.channels.plugin(spec.kind)
            message = (
                f"channel kind {spec.kind!r} of plugin {plugin!r} could not be built: "
                f"{type(error).__name__}: {error}"
            )
            return None, [Mistake(file=file, place=place, message=message)]


def runtimes_of(register: Register, file: str = "nba.toml") -> Mapping[str, ModelRuntime]:
    """Every model runtime that plugins offer, started. Raises `MistakesFound`."""
    runtimes: dict[str, ModelRuntime] = {}
    offers = register.model_runtimes
    for name, factory in offers.items():
        try:
            with told_when_slow(f"starting model runtime {name!r}"):
                runtimes[name] = factory()
        except (Exception, SystemExit) as error:
            message = (
                f"the model runtime {name!r} of plugin {offers.plugin(name)!r} cannot start: "
                f"{type(error).__name__}: {error}"
            )
            raise MistakesFound([Mistake(file=file, place="models", message=message)]) from error
    return runtimes
