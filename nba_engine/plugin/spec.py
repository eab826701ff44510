"""The hooks: typed functions, called when their docstring says, never per request.

Every hook that returns a mapping *offers* things by name; which of them are used is up to the
settings and the catalog, never to the order in which plugins were registered. A hook that raises,
or returns something else, makes its whole plugin count as broken: reported by name, and the end
of the start unless ``[plugins] optional`` lists it. Names end up in ``nba.toml``, so choose plain
words in snake_case.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click

from nba_engine.domain import (
    BatchEngineFactory,
    ChannelFactory,
    ModelFactory,
    ProfileSourceFactory,
    RuleFunction,
    SinkFactory,
    SourceFactory,
    StageFactory,
)
from nba_engine.plugin.factories import RuntimeFactory, StoreFactory
from nba_engine.plugin.markers import hookspec

__all__ = [
    "nba_batch_engines",
    "nba_channels",
    "nba_commands",
    "nba_model_runtimes",
    "nba_models",
    "nba_profile_sources",
    "nba_rule_functions",
    "nba_sinks",
    "nba_sources",
    "nba_stages",
    "nba_stores",
]


@hookspec
def nba_stages() -> Mapping[str, StageFactory]:  # type: ignore[type-arg, empty-body]
    """Offer stages: name in ``[[pipeline]] stage`` → factory.

    Called once at start-up. The factories of the stages that the settings name are called each
    time a pipeline is built (at start, for a new catalog, for a what-if question). Raising here:
    the plugin is broken. Raising in the factory: the pipeline is not built, and the mistake names
    stage and plugin.
    """


@hookspec
def nba_channels() -> Mapping[str, ChannelFactory]:  # type: ignore[empty-body]
    """Offer channel kinds: name in ``[channels.<id>] kind`` → factory.

    Called once at start-up, before the catalog is read: a catalog that names a kind nobody offers
    is a mistake. The factory is called once per channel of that kind and loaded catalog. Raising
    here: the plugin is broken. Raising in the factory: the catalog is not taken, and the mistake
    names the channel.
    """


@hookspec
def nba_stores() -> Mapping[str, StoreFactory]:  # type: ignore[empty-body]
    """Offer stores: scheme of ``[store] url`` (``sqlite`` in ``sqlite:data/nba.db``) → factory.

    Called once at start-up; the factory once per opened engine. Raising here: the plugin is
    broken. Raising in the factory: the engine does not start.
    """


@hookspec
def nba_model_runtimes() -> Mapping[str, RuntimeFactory]:  # type: ignore[empty-body]
    """Offer model runtimes: ``format`` in a model's ``manifest.toml`` → factory.

    Called once at start-up; the factory when the first model of that format is loaded. Raising
    here: the plugin is broken. Raising in the factory: the model is a mistake.
    """


@hookspec
def nba_models() -> Mapping[str, ModelFactory | Path]:  # type: ignore[empty-body]
    """Offer models: name in ``[models] <any> = "plugin:<name>"`` → factory, or a model's folder.

    A trained model is offered as the absolute path of its folder (``manifest.toml`` and all), a
    model that is code as a factory. Called once at start-up; the factory is called, or the folder
    read, once per loaded catalog if the settings name it. Raising here: the plugin is broken.
    Raising in the factory: the model is a mistake that names the plugin.
    """


@hookspec
def nba_rule_functions() -> Mapping[str, RuleFunction]:  # type: ignore[empty-body]
    """Offer typed functions that rules may call: name → function.

    Called once at start-up, before the catalog is read. The functions themselves run on the
    request path, on any thread; one that raises there makes its rule not hold. Raising here: the
    plugin is broken.
    """


@hookspec
def nba_sinks() -> Mapping[str, SinkFactory]:  # type: ignore[empty-body]
    """Offer sinks: name in ``[sinks.<id>] kind`` → factory.

    Called once at start-up; the factory once per ``[sinks.<id>]`` when the engine opens. The sink
    then gets copies of decisions and interactions on a thread of its own, behind the answers.
    Raising here: the plugin is broken. Raising in the factory: the engine does not start. Raising
    in the sink: what it was given is counted as lost, and no decision is.
    """


@hookspec
def nba_profile_sources() -> Mapping[str, ProfileSourceFactory]:  # type: ignore[empty-body]
    """Offer profile sources: name in ``[profile_sources.<id>] kind`` → factory.

    Called once at start-up; the factory once per ``[profile_sources.<id>]`` when the engine opens.
    The source is then asked on threads of its own, and decisions wait for it as long as they may.
    Raising here: the plugin is broken. Raising in the factory: the engine does not start. Raising
    in the source: decisions do with what it said before, or without, and say so.
    """


@hookspec
def nba_sources() -> Mapping[str, SourceFactory]:  # type: ignore[empty-body]
    """Offer sources of interactions and profiles: name in ``[sources.<id>] kind`` → factory.

    Called once at start-up; the factory whenever a source is opened, which is when ``nba serve``
    begins to read, and after each failure. The source is then read on a thread of its own, in one
    process. Raising here: the plugin is broken. Raising in the factory or in the source: it is
    closed and opened again after a pause, where its last commit was.
    """


@hookspec
def nba_batch_engines() -> Mapping[str, BatchEngineFactory]:  # type: ignore[empty-body]
    """Offer batch engines: name in ``[batch] engine`` → factory.

    Called once at start-up; the factory once per run of a command that computes something for all
    customers. Raising here: the plugin is broken. Raising in the factory: the command ends with the
    mistake, and nothing is written.
    """


@hookspec
def nba_commands(commands: click.Group) -> None:
    """Add commands to ``nba`` with ``commands.add_command(...)``.

    Called once whenever plugins are loaded, so keep heavy imports inside the commands.
    ``commands`` is an empty group of this plugin's own: what is added to it appears under
    ``nba``. Raising: the plugin is broken.
    """
