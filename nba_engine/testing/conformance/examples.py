"""What a plugin offers, and the examples it gives for what cannot be made up.

A plugin may have a function ``nba_conformance(folder)`` beside its hooks. It is called with an
empty folder and returns, by "kind name", values for fixtures of the suite of that kind::

    def nba_conformance(folder: Path) -> Mapping[str, Mapping[str, Any]]:
        return {"channel sms": {"content": {"text": "Hello"}, "settings": {"sender": "shop"}}}
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from nba_engine.app import load_plugins
from nba_engine.plugin import Offers, Plugins, Register
from nba_engine.testing.batch_suite import BatchEngineSuite
from nba_engine.testing.channel_suite import ChannelSuite
from nba_engine.testing.command_suite import CommandSuite
from nba_engine.testing.conformance.report import Promise
from nba_engine.testing.function_suite import RuleFunctionSuite
from nba_engine.testing.model_suite import ModelSuite
from nba_engine.testing.profile_source_suite import ProfileSourceSuite
from nba_engine.testing.runtime_suite import ModelRuntimeSuite
from nba_engine.testing.sink_suite import SinkSuite
from nba_engine.testing.source_suite import SourceSuite
from nba_engine.testing.stage_suite import StageSuite
from nba_engine.testing.store_suite import StoreSuite

__all__ = ["EXAMPLES", "KINDS", "Kind", "examples_of", "loaded", "promises_of"]

EXAMPLES = "nba_conformance"


class Kind(msgspec.Struct, frozen=True):
    """A kind of offer: where the register keeps it, its suite, the fixture that is the offer."""

    offers: Callable[[Register], Offers[Any]]
    suite: type
    fixture: str


KINDS: Mapping[str, Kind] = {
    "stage": Kind(lambda register: register.stages, StageSuite, "factory"),
    "channel": Kind(lambda register: register.channels, ChannelSuite, "factory"),
    "model": Kind(lambda register: register.models, ModelSuite, "model"),
    "model-runtime": Kind(lambda register: register.model_runtimes, ModelRuntimeSuite, "runtime"),
    "store": Kind(lambda register: register.stores, StoreSuite, "factory"),
    "sink": Kind(lambda register: register.sinks, SinkSuite, "factory"),
    "source": Kind(lambda register: register.sources, SourceSuite, "factory"),
    "profile-source": Kind(
        lambda register: register.profile_sources, ProfileSourceSuite, "factory"
    ),
    "batch-engine": Kind(lambda register: register.batch_engines, BatchEngineSuite, "factory"),
    "rule-function": Kind(lambda register: register.rule_functions, RuleFunctionSuite, "function"),
    "command": Kind(lambda register: register.commands, CommandSuite, "command"),
}


def promises_of(register: Register, plugin: str) -> Iterator[Promise]:
    """Everything that a plugin offers, by kind."""
    for kind, how in KINDS.items():
        offers = how.offers(register)
        for name in sorted(offers.of(plugin)):
            yield Promise(kind=kind, name=name, settings=_settings_of(offers[name]))


def _settings_of(offered: object) -> tuple[str, ...]:
    settings = getattr(offered, "settings", None)
    if not (isinstance(settings, type) and issubclass(settings, msgspec.Struct)):
        return ()
    return tuple(field.encode_name for field in msgspec.structs.fields(settings))


def loaded() -> Plugins:
    """The plugins that are installed here; a broken one keeps nobody else from being checked."""
    return load_plugins()


def examples_of(plugins: Plugins, plugin: str, promise: Promise, folder: Path) -> dict[str, Any]:
    """The plugin's examples for one offer; none, if it gives none."""
    give = getattr(plugins.plugin(plugin), EXAMPLES, None)
    given = give(folder) if give is not None else {}
    return dict(given.get(f"{promise.kind} {promise.name}", {}))
