"""Opens an engine from its settings, and closes it again."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from nba_engine.app.check import prepared
from nba_engine.app.erasing import Eraser
from nba_engine.app.evidence import EvidenceCounter
from nba_engine.app.follower import Follower
from nba_engine.app.intakes import Intakes, make_intakes
from nba_engine.app.prices import PriceUpdater
from nba_engine.app.profile_sources import open_profile_sources
from nba_engine.app.promotions import Promotions, refuse_waiting
from nba_engine.app.reaper import Reaper
from nba_engine.app.retention import Retention
from nba_engine.app.rotation import Rotation
from nba_engine.app.sink_turns import SinkTurns
from nba_engine.app.sinks import Sinks, open_sinks
from nba_engine.app.starting import start_with
from nba_engine.catalog import read_folder
from nba_engine.domain import Store
from nba_engine.engine import Engine, ProfileSources, table_of
from nba_engine.errors import MistakesFound
from nba_engine.plugin import Plugins, Register, told_when_slow
from nba_engine.settings import RetentionSettings, Settings
from nba_engine.store import Mover, open_log

__all__ = ["App", "open_app"]


class App:
    """An opened engine with all it stands on. A context manager; `close` may be called twice."""

    def __init__(
        self,
        settings: Settings,
        plugins: Plugins,
        engine: Engine,
        sinks: Sinks,
        sources: ProfileSources | None,
        intakes: Intakes,
        eraser: Eraser,
        promotions: Promotions,
        resources: ExitStack,
    ) -> None:
        self.settings = settings
        self.plugins = plugins
        self.engine = engine
        self.sinks = sinks
        self.profile_sources = sources
        self.intakes = intakes  # `nba serve` starts them
        self.eraser = eraser
        self.promotions = promotions
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


def open_app(
    settings_path: str | Path,
    *,
    environ: Mapping[str, str] | None = None,
    publish: bool = False,
) -> App:
    """Open the engine that a settings file describes.

    It decides with the catalog that its store has in force, or with that of its folder if the
    folder was edited since; with ``publish`` the latter is put in force for all processes of the
    store, without it that is this engine's alone. From then on it follows what is published, and
    with ``publish`` puts models in force that are promoted; at the start it refuses one that cannot
    be served when another was in force before it.

    Raises `MistakesFound` with every mistake in settings, plugins, catalog and models before
    anything is created, and what opening the store raises. Nothing stays open after an error.
    """
    found = prepared(settings_path, environ)
    while publish and found.settings and refuse_waiting(found.settings, found.mistakes):
        found = prepared(settings_path, environ)
    if found.mistakes or found.snapshot is None or not (found.settings and found.assembly):
        raise MistakesFound(found.mistakes)
    with ExitStack() as opened:
        store = _open_store(found.settings, found.plugins.register)
        opened.callback(store.close)
        log_path = found.settings.store.decision_log
        log = open_log(log_path)
        opened.callback(log.close)
        folder = Path(settings_path).resolve().parent
        turns = SinkTurns(store, log_path)
        sinks = open_sinks(
            found.settings, found.plugins.register, folder, str(settings_path), turns
        )
        opened.callback(sinks.close)
        sources = open_profile_sources(
            found.settings, found.plugins.register, store, folder, str(settings_path)
        )
        if sources is not None:
            opened.callback(sources.close)
        start = start_with(found.snapshot, found.files, found.assembly, store, publish=publish)
        catalog_folder = found.settings.catalog.path
        engine = Engine(
            start.snapshot,
            store,
            log,
            assemble=found.assembly,
            request_window=found.settings.store.request_window,
            max_links=found.settings.store.max_links,
            tap=sinks if found.settings.sinks else None,
            sequence=start.sequence,
            folder=lambda: read_folder(catalog_folder),
            profile_sources=sources,
        )
        engine.catalogs.why = start.why
        intakes = make_intakes(
            found.settings, found.plugins.register, engine, folder, str(settings_path)
        )
        opened.callback(intakes.close)
        promotions = Promotions(found.settings, engine.catalogs)
        follower = (
            Follower(engine.catalogs, promotions.step) if publish else Follower(engine.catalogs)
        )
        follower.start()
        opened.callback(follower.stop)
        eraser = Eraser(store, log, sinks, log_path.with_name(f"{log_path.name}.erasing"))
        engine.on_erased = eraser.wake
        eraser.start()
        opened.callback(eraser.stop)
        counter = EvidenceCounter(engine)
        counter.start()
        opened.callback(counter.stop)
        updater = PriceUpdater(engine)
        updater.start()
        opened.callback(updater.stop)
        if not store.simulated:
            reaper = Reaper(store)
            reaper.start()
            opened.callback(reaper.stop)
            days = found.settings.store.decision_log_days
            if days is not None:
                rotation = Rotation(Mover(found.settings.store.decision_log, table_of), days=days)
                rotation.start()
                opened.callback(rotation.stop)
            if found.settings.retention != RetentionSettings():
                retention = Retention(
                    store, found.settings.store.decision_log, found.settings.retention
                )
                retention.start()
                opened.callback(retention.stop)
        return App(
            found.settings,
            found.plugins,
            engine,
            sinks,
            sources,
            intakes,
            eraser,
            promotions,
            opened.pop_all(),
        )


def _open_store(settings: Settings, register: Register) -> Store:
    scheme = settings.store.url.partition(":")[0]
    with told_when_slow("opening the store"):
        return register.stores[scheme](settings.store.url, create=True, simulated=None)
