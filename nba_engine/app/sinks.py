"""Sinks behind the answers: each gets what it takes on a thread of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from nba_engine.app.sink_thread import SinkStatus, SinkThread
from nba_engine.app.sink_turns import SinkTurns
from nba_engine.domain import (
    Decision,
    DecisionRequest,
    Erased,
    Interaction,
    InteractionResult,
    Sink,
)
from nba_engine.errors import Mistake, MistakesFound
from nba_engine.plugin import Register, told_when_slow
from nba_engine.settings import Settings, convert, join, suggest

__all__ = ["SinkStatus", "SinkThread", "Sinks", "open_sinks", "sink_mistakes"]


class Sinks:
    """All sinks of an engine. What the engine calls costs one short append per sink."""

    def __init__(self, threads: Mapping[str, SinkThread], turns: SinkTurns | None = None) -> None:
        self._threads = dict(threads)
        self._turns = turns
        self._of_decisions = [t for t in threads.values() if "decisions" in t.takes]
        self._of_interactions = [t for t in threads.values() if "interactions" in t.takes]

    @property
    def statuses(self) -> dict[str, SinkStatus]:
        """The counts of each sink by its id."""
        return {name: thread.status for name, thread in self._threads.items()}

    def decided(self, request: DecisionRequest, decision: Decision) -> None:
        """A decision was made."""
        for thread in self._of_decisions:
            thread.offer((request, decision))

    def recorded(
        self, interactions: Sequence[Interaction], results: Sequence[InteractionResult]
    ) -> None:
        """Interactions were recorded; repeats and rejected ones are nobody's news."""
        for thread in self._of_interactions:
            for interaction, result in zip(interactions, results, strict=True):
                if result.status == "recorded":
                    thread.offer(interaction)

    def erase(
        self, erased: Erased, *, stop: Callable[[], bool] = lambda: False
    ) -> tuple[dict[str, int], list[str]]:
        """Remove a customer from all of them; how many records by place, and who cannot.

        When this returns, no sink of any process writes anything of the customer any more. Raises
        `Unavailable` when it must be tried again.
        """
        if self._turns is not None and self._threads:
            self._turns.wait(stop)
        counts: dict[str, int] = {}
        cannot: list[str] = []
        for name, thread in self._threads.items():
            removed = thread.erase(erased, stop)
            if removed is None:
                cannot.append(f"sink {name}")
            else:
                counts[f"sink {name}"] = removed
        return counts, cannot

    def close(self) -> None:
        """Finish and close all of them."""
        for thread in self._threads.values():
            thread.close()


def sink_mistakes(settings: Settings, register: Register, file: str) -> list[Mistake]:
    """Every mistake under ``[sinks]``: kinds nobody offers, settings that do not fit."""
    return [mistake for _, _, found in _read(settings, register, file) for mistake in found]


def open_sinks(
    settings: Settings,
    register: Register,
    folder: Path,
    file: str,
    turns: SinkTurns | None = None,
) -> Sinks:
    """Build every sink and start its thread. Raises `MistakesFound`; none is left open then."""
    threads: dict[str, SinkThread] = {}
    try:
        for name, own, mistakes in _read(settings, register, file):
            if own is None or mistakes:
                raise MistakesFound(mistakes)
            wanted = settings.sinks[name]
            sink = _build(name, wanted.kind, register, own, folder, file)
            turn = None if turns is None else turns.open()
            threads[name] = SinkThread(name, sink, wanted.takes, wanted.queue, turn)
    except BaseException:
        Sinks(threads).close()
        raise
    return Sinks(threads, turns)


def _read(
    settings: Settings, register: Register, file: str
) -> Iterator[tuple[str, msgspec.Struct | None, list[Mistake]]]:
    for name, wanted in settings.sinks.items():
        place = join("sinks", name)
        factory = register.sinks.get(wanted.kind)
        if factory is not None:
            own, mistakes = convert(wanted.settings, factory.settings, file, f"{place}.settings")
            yield name, own, mistakes
        elif wanted.kind:  # without one, that is told
            message = f"no plugin offers a sink {wanted.kind!r}"
            remedy = suggest(wanted.kind, register.sinks, "sinks")
            wrong = Mistake(file=file, place=f"{place}.kind", message=message, remedy=remedy)
            yield name, None, [wrong]


def _build(
    name: str, kind: str, register: Register, own: msgspec.Struct, folder: Path, file: str
) -> Sink:
    try:
        with told_when_slow(f"opening sink {name!r}"):
            return register.sinks[kind].build(own, folder)
    except MistakesFound:
        raise
    except (Exception, SystemExit) as error:
        message = (
            f"sink {kind!r} of plugin {register.sinks.plugin(kind)!r} could not be opened: "
            f"{type(error).__name__}: {error}"
        )
        wrong = Mistake(file=file, place=join("sinks", name), message=message)
        raise MistakesFound([wrong]) from error
