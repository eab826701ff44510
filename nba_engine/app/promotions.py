"""Follows what is promoted in the model registry: puts it in force, or refuses it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from nba_engine.app.registered import followed_models
from nba_engine.engine import Catalogs
from nba_engine.errors import Mistake, MistakesFound, NbaError
from nba_engine.models.registry import ModelRegistry, Promotion
from nba_engine.settings import Settings

__all__ = ["Promotions", "refuse_waiting"]

_log = logging.getLogger("nba_engine.app")

_RETRY_SECONDS = 5.0  # after something else than the model kept it from being put in force


class Promotions:
    """Looks, whenever `step` is called, whether a version was promoted, and puts it in force.

    The first process that sees it assembles the catalog in force with it and publishes that, so
    that all processes of the store switch together; one that cannot be served is refused in the
    registry, and what decides now goes on. One thread at a time calls `step`.
    """

    def __init__(self, settings: Settings, catalogs: Catalogs) -> None:
        self._followed = followed_models(settings)
        self._registry = ModelRegistry(settings.registry.path)
        self._catalogs = catalogs
        self._seen: object = None
        self._again = 0.0  # on time.monotonic
        self._failure = ""
        self._healthy = dict.fromkeys(self._followed, True)
        self._watchers: list[Callable[[str, bool], None]] = []

    def watch(self, watcher: Callable[[str, bool], None]) -> None:
        """Tell ``watcher`` of each model whether its last promotion was taken, not refused."""
        self._watchers.append(watcher)
        for name, healthy in self._healthy.items():
            watcher(name, healthy)

    def step(self) -> None:
        """Look once. Raises nothing but what is nobody's fault: what fails is logged and retried."""
        if not self._followed:
            return
        stamp = self._registry.stamp()
        if stamp == self._seen or time.monotonic() < self._again:
            return
        try:
            waiting = waiting_promotions(self._registry, self._followed)
            if waiting:
                self._put_in_force(waiting)
                return  # that changed the registry, or is to be tried again: look once more
            self._tell()
        except NbaError as error:
            self._later(error.message)
            return
        self._failure, self._seen = "", stamp

    def _put_in_force(self, waiting: Mapping[str, Promotion]) -> None:
        first = next(iter(waiting.values()))
        told = ", ".join(
            f"{self._followed[name]} {one.version}" + (f": {one.comment}" if one.comment else "")
            for name, one in waiting.items()
        )
        try:
            done = self._catalogs.publish_models(author=first.author, comment=told)
        except MistakesFound as found:
            if not refuse(self._registry, self._followed, waiting, found.mistakes):
                self._later(str(found.mistakes[0]))
            return
        if not done.in_force:
            return
        versions = self._catalogs.snapshot.model_versions
        for name, one in waiting.items():
            if versions.get(name) == one.version:
                self._registry.took(self._followed[name], one.version)
                _log.info("model %s: version %s is in force", self._followed[name], one.version)

    def _later(self, failure: str) -> None:
        self._again = time.monotonic() + _RETRY_SECONDS
        if failure != self._failure:
            _log.error("a promoted model is not in force yet: %s", failure)
        self._failure = failure

    def _tell(self) -> None:
        for name, registered in self._followed.items():
            history = self._registry.history(registered)
            healthy = not history or history[-1].refused is None
            if healthy != self._healthy[name]:
                self._healthy[name] = healthy
                for watcher in self._watchers:
                    watcher(name, healthy)


def waiting_promotions(
    registry: ModelRegistry, followed: Mapping[str, str]
) -> dict[str, Promotion]:
    """Name in the settings → the promotion that no server has taken or refused yet."""
    found = {name: registry.current(registered) for name, registered in followed.items()}
    return {name: one for name, one in found.items() if one is not None and one.status == "waiting"}


def refuse(
    registry: ModelRegistry,
    followed: Mapping[str, str],
    waiting: Mapping[str, Promotion],
    mistakes: Sequence[Mistake],
) -> bool:
    """Refuse the waiting promotions whose own files are mistaken; whether there was one."""
    refused = False
    for name, one in waiting.items():
        registered = followed[name]
        folder = registry.folder(registered, one.version)
        own = [mistake for mistake in mistakes if _within(mistake.file, folder)]
        if not own:
            continue
        refused = True
        registry.refuse(registered, one.version, [str(mistake) for mistake in own])
        before = registry.current(registered)
        _log.error(
            "model %s: version %s was promoted and is refused, %s: %s",
            registered,
            one.version,
            f"{before.version} stays" if before is not None else "and there is none before it",
            "; ".join(str(mistake) for mistake in own),
        )
    return refused


def refuse_waiting(settings: Settings, mistakes: Sequence[Mistake]) -> bool:
    """At a start: refuse promoted versions that cannot be served, if others were before them.

    Whether there was one, so that it is worth to try again.
    """
    followed = followed_models(settings)
    registry = ModelRegistry(settings.registry.path)
    waiting = {
        name: one
        for name, one in waiting_promotions(registry, followed).items()
        if any(other.taken for other in registry.history(followed[name]))
    }
    return refuse(registry, followed, waiting, mistakes)


def _within(file: str, folder: Path) -> bool:
    return Path(file).is_relative_to(folder)
