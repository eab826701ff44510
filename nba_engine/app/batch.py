"""The batch engine that the settings name, or a command's option."""

from __future__ import annotations

from typing import Any

import msgspec

from nba_engine.domain import BatchEngine
from nba_engine.errors import Mistake, MistakesFound
from nba_engine.plugin import Register
from nba_engine.settings import BatchSettings, convert, suggest

__all__ = ["batch_mistakes", "make_batch_engine"]


def batch_mistakes(settings: BatchSettings, register: Register, file: str) -> list[Mistake]:
    """Every mistake under ``[batch]``: an engine nobody offers, settings that do not fit."""
    return _read(settings, register, file)[1]


def make_batch_engine(
    settings: BatchSettings, register: Register, *, file: str = "nba.toml", name: str = ""
) -> BatchEngine:
    """The engine of the settings, or the one of this ``name``.

    The table of settings is for the engine that it names alone. Raises `MistakesFound`.
    """
    if name and name != settings.engine:
        settings = BatchSettings(engine=name)
    own, mistakes = _read(settings, register, file)
    if mistakes or own is None:
        raise MistakesFound(mistakes)
    try:
        return register.batch_engines[settings.engine].build(own)
    except MistakesFound:
        raise
    except (Exception, SystemExit) as error:
        plugin = register.batch_engines.plugin(settings.engine)
        message = (
            f"batch engine {settings.engine!r} of plugin {plugin!r} could not be made: "
            f"{type(error).__name__}: {error}"
        )
        raise MistakesFound([Mistake(file=file, place="batch", message=message)]) from error


def _read(
    settings: BatchSettings, register: Register, file: str
) -> tuple[msgspec.Struct | None, list[Mistake]]:
    engines = register.batch_engines
    if settings.engine not in engines:
        message = f"no plugin offers a batch engine {settings.engine!r}"
        remedy = suggest(settings.engine, engines, "batch engines")
        return None, [Mistake(file=file, place="batch.engine", message=message, remedy=remedy)]
    given: dict[str, Any] = settings.settings
    return convert(given, engines[settings.engine].settings, file, "batch.settings")
