"""The typed register that hooks fill at start-up; afterwards everything runs on plain objects."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Generic, TypeVar

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

__all__ = ["NameTaken", "Offers", "Register"]

_T = TypeVar("_T")


class NameTaken(Exception):
    """Two plugins offer one name; no order of registration decides between them."""


class Offers(Mapping[str, _T], Generic[_T]):
    """Things by name, each with the plugin it came from. A mapping for its readers."""

    def __init__(self, kind: str) -> None:
        self.kind = kind  # "stage", for messages
        self._things: dict[str, _T] = {}
        self._plugins: dict[str, str] = {}

    def __getitem__(self, name: str) -> _T:
        return self._things[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._things)

    def __len__(self) -> int:
        return len(self._things)

    def plugin(self, name: str) -> str:
        """The plugin that offers this name."""
        return self._plugins[name]

    def of(self, plugin: str) -> list[str]:
        """The names that a plugin offers here."""
        return [name for name, owner in self._plugins.items() if owner == plugin]

    def add(self, name: str, thing: _T, plugin: str) -> None:
        """Take an offer. Raises `NameTaken` naming both plugins."""
        if name in self._things:
            raise NameTaken(
                f"{self.kind} {name!r} is offered by both {self._plugins[name]!r} and {plugin!r}"
            )
        self._things[name] = thing
        self._plugins[name] = plugin

    def withdraw(self, plugin: str) -> None:
        """Forget everything a plugin offered."""
        for name in self.of(plugin):
            del self._things[name], self._plugins[name]


class Register:
    """Everything plugins offer, by kind and name. Filled once, read afterwards."""

    def __init__(self) -> None:
        self.stages: Offers[StageFactory[Any]] = Offers("stage")
        self.channels: Offers[ChannelFactory] = Offers("channel kind")
        self.stores: Offers[StoreFactory] = Offers("store")
        self.model_runtimes: Offers[RuntimeFactory] = Offers("model runtime")
        self.models: Offers[ModelFactory | Path] = Offers("model")
        self.rule_functions: Offers[RuleFunction] = Offers("rule function")
        self.sinks: Offers[SinkFactory] = Offers("sink")
        self.sources: Offers[SourceFactory] = Offers("source")
        self.profile_sources: Offers[ProfileSourceFactory] = Offers("profile source")
        self.batch_engines: Offers[BatchEngineFactory] = Offers("batch engine")
        self.commands: Offers[click.Command] = Offers("command")

    @property
    def offers(self) -> tuple[Offers[Any], ...]:
        """All kinds of offers."""
        return (
            self.stages,
            self.channels,
            self.stores,
            self.model_runtimes,
            self.models,
            self.rule_functions,
            self.sinks,
            self.sources,
            self.profile_sources,
            self.batch_engines,
            self.commands,
        )

    def withdraw(self, plugin: str) -> None:
        """Forget everything a plugin offered."""
        for each in self.offers:
            each.withdraw(plugin)
