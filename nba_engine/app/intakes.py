"""``[sources]``: what is wrong with them, and all of them behind an engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from urllib.parse import quote

import msgspec

from nba_engine.app.intake import Intake, IntakeStatus
from nba_engine.app.rejects import Rejects
from nba_engine.engine import Engine
from nba_engine.errors import Mistake, MistakesFound
from nba_engine.plugin import Register
from nba_engine.settings import Settings, convert, join, suggest

__all__ = ["Intakes", "intake_mistakes", "make_intakes"]


class Intakes:
    """All sources of an engine. Nothing is read before `start`."""

    def __init__(self, intakes: Mapping[str, Intake]) -> None:
        self._intakes = dict(intakes)

    @property
    def statuses(self) -> dict[str, IntakeStatus]:
        """How each of them is, by its id."""
        return {name: intake.status for name, intake in self._intakes.items()}

    def start(self) -> None:
        """Begin to read; in one process of all that share the decision log, for each source."""
        for intake in self._intakes.values():
            intake.start()

    def watch(self, watcher: Callable[[str, bool], None]) -> None:
        """Tell ``watcher`` of each source whether it is healthy: now, and when that changes."""
        for intake in self._intakes.values():
            intake.watch(watcher)

    def close(self) -> None:
        """Stop all of them, each after the batch in hand."""
        for intake in self._intakes.values():
            intake.stopping.set()
        for intake in self._intakes.values():
            intake.close()


def intake_mistakes(settings: Settings, register: Register, file: str) -> list[Mistake]:
    """Every mistake under ``[sources]``: kinds nobody offers, settings that do not fit."""
    return [mistake for _, _, found in _read(settings, register, file) for mistake in found]


def make_intakes(
    settings: Settings, register: Register, engine: Engine, folder: Path, file: str
) -> Intakes:
    """One for each source of the settings; nothing is opened yet. Raises `MistakesFound`."""
    intakes: dict[str, Intake] = {}
    beside = settings.store.decision_log.parent
    for name, own, mistakes in _read(settings, register, file):
        if own is None or mistakes:
            raise MistakesFound(mistakes)
        wanted = settings.sources[name]
        intakes[name] = Intake(
            name,
            wanted,
            partial(register.sources[wanted.kind].build, own, folder),
            engine,
            Rejects(wanted.rejects),
            beside / f"source-{quote(name, safe='')}.lock",
        )
    return Intakes(intakes)


def _read(
    settings: Settings, register: Register, file: str
) -> Iterator[tuple[str, msgspec.Struct | None, list[Mistake]]]:
    for name, wanted in settings.sources.items():
        place = join("sources", name)
        factory = register.sources.get(wanted.kind)
        if factory is not None:
            own, mistakes = convert(wanted.settings, factory.settings, file, f"{place}.settings")
            yield name, own, mistakes
        elif wanted.kind:  # without one, that is told
            message = f"no plugin offers a source {wanted.kind!r}"
            remedy = suggest(wanted.kind, register.sources, "sources")
            wrong = Mistake(file=file, place=f"{place}.kind", message=message, remedy=remedy)
            yield name, None, [wrong]
