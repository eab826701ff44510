"""Models promoted without a server, or beside one: what `nba model` works on."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Literal

import msgspec

from nba_engine.app.assembly import Assembly
from nba_engine.app.plugins import load_plugins
from nba_engine.app.registered import followed_models
from nba_engine.app.resources import runtimes_of
from nba_engine.app.stored import StoredCatalogs, stored_catalogs
from nba_engine.catalog import read_folder
from nba_engine.errors import MistakesFound, NotFound
from nba_engine.models import check_model
from nba_engine.models.registry import ModelRegistry, Promotion
from nba_engine.settings import Settings, read_settings

__all__ = ["Promoted", "Promoting", "check_folder", "model_registry", "promoting"]

# of what was promoted: nothing changed, servers decide with it, no store has it, no settings do
Became = Literal["same", "in_force", "waiting", "unused"]


class Promoted(msgspec.Struct, frozen=True, kw_only=True):
    """What came of promoting a version; ``names`` are those of the settings that follow it."""

    promotion: Promotion
    became: Became
    names: tuple[str, ...] = ()


class Promoting:
    """Promotes versions for whatever serves them; each is tried with the catalog in force first."""

    def __init__(
        self,
        settings: Settings,
        registry: ModelRegistry,
        assembly: Assembly,
        catalogs: StoredCatalogs | None,
    ) -> None:
        self.registry = registry
        self._settings = settings
        self._assembly = assembly
        self._catalogs = catalogs  # None: there is no store yet

    def promote(self, name: str, version: str, *, author: str = "", comment: str = "") -> Promoted:
        """Promote a version, given by its first characters, and wait until servers decide with it.

        Raises `MistakesFound` when it cannot be served (nothing has changed), `NotFound`.
        """
        wanted = self.registry.version(name, version or "?").version
        return self._promoted(name, wanted, author, comment, self.registry.promote)

    def rollback(
        self, name: str, version: str = "", *, author: str = "", comment: str = ""
    ) -> Promoted:
        """Promote a version again; "": the one before. Raises `FailedPrecondition`, too."""
        wanted = version or self.registry.before(name)
        wanted = self.registry.version(name, wanted).version
        return self._promoted(name, wanted, author, comment, self.registry.rollback)

    def _promoted(
        self,
        name: str,
        version: str,
        author: str,
        comment: str,
        promote: Callable[..., tuple[Promotion, bool]],
    ) -> Promoted:
        followed = followed_models(self._settings)
        names = tuple(one for one, registered in followed.items() if registered == name)
        self._try(dict.fromkeys(names, version))
        promotion, new = promote(name, version, author=author, comment=comment)
        if not names:
            return Promoted(promotion=promotion, became="unused" if new else "same")
        if self._catalogs is None or not self._catalogs.history():
            became: Became = "waiting" if new else "same"
            return Promoted(promotion=promotion, became=became, names=names)
        told = f"{name} {version}" + (f": {comment}" if comment else "")
        self._catalogs.publish_models(author=author, comment=told)
        self.registry.took(name, version)
        return Promoted(promotion=promotion, became="in_force" if new else "same", names=names)

    def _try(self, versions: Mapping[str, str]) -> None:
        """Raises `MistakesFound` when the catalog in force cannot be served with these versions."""
        if self._catalogs is not None:
            self._catalogs.try_models(versions)
        else:
            folder = self._settings.catalog.path
            self._assembly.assemble(read_folder(folder), folder=str(folder), models=versions)


def check_folder(
    settings_path: str | Path, folder: Path, *, environ: Mapping[str, str] | None = None
) -> None:
    """Check a model folder as far as no catalog is needed. Raises `MistakesFound`."""
    register = load_plugins(_read(settings_path, environ).plugins).require()
    check_model(folder, runtimes_of(register))


def model_registry(
    settings_path: str | Path, *, environ: Mapping[str, str] | None = None
) -> ModelRegistry:
    """The registry that a settings file names. Raises `MistakesFound`."""
    return ModelRegistry(_read(settings_path, environ).registry.path)


@contextmanager
def promoting(
    settings_path: str | Path, *, environ: Mapping[str, str] | None = None
) -> Iterator[Promoting]:
    """What promotes in the registry and in the store of a settings file, which may be served.

    Raises `MistakesFound` for mistakes in settings and plugins.
    """
    file = str(settings_path)
    settings = _read(settings_path, environ)
    register = load_plugins(settings.plugins).require()
    registry = ModelRegistry(settings.registry.path)
    assembly = Assembly(settings, register, file=file)
    with ExitStack() as opened:
        catalogs: StoredCatalogs | None
        try:
            catalogs = opened.enter_context(
                stored_catalogs(settings_path, create=False, environ=environ)
            )
        except NotFound:
            catalogs = None  # nothing was decided yet: a server will start with it
        yield Promoting(settings, registry, assembly, catalogs)


def _read(settings_path: str | Path, environ: Mapping[str, str] | None) -> Settings:
    settings, mistakes = read_settings(settings_path, os.environ if environ is None else environ)
    if settings is None or mistakes:
        raise MistakesFound(mistakes)
    return settings
