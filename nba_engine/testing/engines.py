"""A whole engine in memory, with stages, channels or models that are not installed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from nba_engine.app import load_plugins
from nba_engine.app.assembly import Assembly
from nba_engine.catalog import Catalog
from nba_engine.domain import (
    ChannelFactory,
    DecisionLog,
    ModelFactory,
    RuleFunction,
    StageFactory,
    Store,
)
from nba_engine.engine import Engine
from nba_engine.plugin import API_VERSION, hookimpl
from nba_engine.settings import OfferedModel, Settings, StageSettings
from nba_engine.testing.fake_store import FakeStore
from nba_engine.testing.memory import FixedClock, MemoryLog
from nba_engine.testing.world import make_catalog

__all__ = ["STAGES", "make_engine"]

STAGES = ("profile", "eligibility", "contact_policy", "value", "arbitration", "slate")


class _Offers:
    """A plugin that is not installed."""

    nba_plugin_api = API_VERSION

    def __init__(
        self,
        stages: Mapping[str, StageFactory[Any]],
        channels: Mapping[str, ChannelFactory],
        models: Mapping[str, ModelFactory | Path],
        functions: Mapping[str, RuleFunction],
    ) -> None:
        self._stages = stages
        self._channels = channels
        self._models = models
        self._functions = functions

    @hookimpl
    def nba_stages(self) -> Mapping[str, StageFactory[Any]]:
        return self._stages

    @hookimpl
    def nba_channels(self) -> Mapping[str, ChannelFactory]:
        return self._channels

    @hookimpl
    def nba_models(self) -> Mapping[str, ModelFactory | Path]:
        return self._models

    @hookimpl
    def nba_rule_functions(self) -> Mapping[str, RuleFunction]:
        return self._functions


def make_engine(
    catalog: Catalog | Mapping[str, str] | None = None,
    *,
    pipeline: Sequence[str | StageSettings] = STAGES,
    stages: Mapping[str, StageFactory[Any]] = {},
    channels: Mapping[str, ChannelFactory] = {},
    models: Mapping[str, ModelFactory | Path] = {},
    functions: Mapping[str, RuleFunction] = {},
    store: Store | None = None,
    log: DecisionLog | None = None,
    clock: Callable[[], float] | None = None,
) -> Engine:
    """An engine over a store, a log and a clock in memory; nothing has to be closed.

    ``catalog`` is one of `make_catalog`, or files by name. ``stages`` and the others are offered
    as a plugin would; ``pipeline`` says which stages run, in which order. Each of ``models`` can
    be named by stages, as ``[models] <name> = "plugin:<name>"`` would. Raises `MistakesFound`.
    """
    plugins = load_plugins()
    plugins.add("under_test", lambda: _Offers(stages, channels, models, functions))
    settings = Settings(
        pipeline=tuple(
            StageSettings(stage=stage) if isinstance(stage, str) else stage for stage in pipeline
        ),
        models={name: OfferedModel(name) for name in models},
    )
    catalog = make_catalog() if catalog is None else catalog
    files = catalog.files if isinstance(catalog, Catalog) else catalog
    assembly = Assembly(settings, plugins.require())
    return Engine(
        assembly(files),
        store or FakeStore(),
        log or MemoryLog(),
        assemble=assembly,
        clock=clock or FixedClock(),
    )
