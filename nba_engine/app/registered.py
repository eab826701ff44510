"""Models of the registry as settings name them: which version it is, and where it lies."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from nba_engine.errors import FailedPrecondition, Mistake, MistakesFound, NotFound
from nba_engine.models.registry import ModelRegistry
from nba_engine.settings import RegisteredModel, Settings, join

__all__ = ["followed_models", "registered_folder"]


def followed_models(settings: Settings) -> dict[str, str]:
    """Name in the settings → name in the registry, of all that take the promoted version."""
    return {
        name: source.name
        for name, source in settings.models.items()
        if isinstance(source, RegisteredModel) and not source.version
    }


def registered_folder(
    settings: Settings, name: str, source: RegisteredModel, pinned: Mapping[str, str], file: str
) -> tuple[str, Path]:
    """The version to take and its folder, whose content was compared with it.

    ``pinned``: the versions that a decision, or another process, has named. Raises
    `MistakesFound`.
    """
    registry = ModelRegistry(settings.registry.path)
    version, place = pinned.get(name, ""), join("models", name)
    remedy = f"nba model list shows what there is; nba model promote {source.name} VERSION"
    try:
        version = version or registry.version(source.name, source.version).version
    except (NotFound, FailedPrecondition) as error:
        raise MistakesFound(
            [Mistake(file=file, place=place, message=error.message, remedy=remedy)]
        ) from error
    try:
        return version, registry.verified(source.name, version)
    except NotFound as error:
        folder = registry.folder(source.name, version)
        raise MistakesFound(
            [Mistake(file=str(folder), place="", message=error.message, remedy=remedy)]
        ) from error
