"""Opens an engine from its settings, and closes it again."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from nba_engine.app.check import prepared
from nba_engine.app.reaper import Reaper
from nba_engine.app.sinks import Sinks, open_sinks
from nba_engine.domain import Store
from nba_engine.engine import Engine
from nba_engine.errors import MistakesFound
from nba_engine.plugin import Plugins, Register, told_when_slow
from nba_engine.settings import Settings
from nba_engine.store import open_log

__all__ = ["App", "open_app"]


class App:
    """An opened engine with all it stands on. A context manager; `close` may be called twice."""

    def __init__(
        self,
        settings: Settings,
        plugins: Plugins,
        engine: Engine,
        sinks: Sinks,
        resources: ExitStack,
    ) -> None:
        self.settings = settings
        self.plugins = plugins
        self.engine = engine
        self.sinks = sinks
        self._resources = resources

    @property
    def register(self) -> Register:
        """What plugins offer."""
        return self.plugins.register

    def close(self) -> None:
        """Stop the background threads, write what is queued, release files."""
        self._resources.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def open_app(settings_path: str | Path, *, environ: Mapping[str, str] | None = None) -> App:
    """Open the engine that a settings file describes.

    Raises `MistakesFound` with every mistake in settings, plugins, catalog and models before
    anything is created, and what opening the store raises. Nothing stays open after an error.
    """
    found = prepared(settings_path, environ)
    if found.mistakes or found.snapshot is None or found.settings is None:
        raise MistakesFound(found.mistakes)
    with ExitStack() as opened:
        store = _open_store(found.settings, found.plugins.register)
        opened.callback(store.close)
        log = open_log(found.settings.store.decision_log)
        opened.callback(log.close)
        folder = Path(settings_path).resolve().parent
        sinks = open_sinks(found.settings, found.plugins.register, folder, str(settings_path))
        opened.callback(sinks.close)
        engine = Engine(
            found.snapshot,
            store,
            log,
            assemble=found.assembly,
            request_window=found.settings.store.request_window,
            tap=sinks if found.settings.sinks else None,
        )
        if not store.simulated:
            reaper = Reaper(store)
            reaper.start()
            opened.callback(reaper.stop)
        return App(found.settings, found.plugins, engine, sinks, opened.pop_all())


def _open_store(settings: Settings, register: Register) -> Store:
    scheme = settings.store.url.partition(":")[0]
    with told_when_slow("opening the store"):
        return register.stores[scheme](settings.store.url, create=True, simulated=None)
