"""The protocols that plugins implement, and the factories their hooks return."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, Literal, Protocol, TypeVar, runtime_checkable

import msgspec

from nba_engine.domain.catalog import CatalogView, Treatment
from nba_engine.domain.deciding import Deciding
from nba_engine.domain.drop import Drop
from nba_engine.domain.model import Scorer
from nba_engine.domain.rules import Change
from nba_engine.domain.tables import ComplementTable

__all__ = [
    "Channel",
    "ChannelFactory",
    "Explains",
    "NoSettings",
    "OnError",
    "Renderer",
    "Resources",
    "Stage",
    "StageFactory",
]

OnError = Literal["drop", "fall_back", "ignore", "fail"]


class NoSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The settings of a plugin that has none."""


class Stage(Protocol):
    """One step of the pipeline. Called once per decision, on one thread at a time per decision."""

    def apply(self, deciding: Deciding) -> None:
        """Read and change ``deciding.candidates``. Raising applies the stage's failure policy."""


@runtime_checkable
class Explains(Protocol):
    """A stage that can say why it dropped a candidate; never called on the request path."""

    def explain(
        self, deciding: Deciding, drop: Drop, position: int
    ) -> tuple[str, Sequence[Change]]:
        """A sentence, and what would have to change; ``position`` indexes ``drop.index``.

        Called right after the stage ran, with ``deciding`` as the stage left it.
        """


class Resources(Protocol):
    """What the engine hands to factories at start-up: all of it immutable or thread-safe."""

    @property
    def catalog(self) -> CatalogView: ...
    @property
    def channels(self) -> Mapping[str, Channel]:
        """Channel id → implementation."""

    def scorer(self, model: str) -> Scorer:
        """The named model bound to this catalog. Raises `MistakesFound` when it does not fit."""

    def complements(self, table: str) -> ComplementTable:
        """A precomputed cross-sell table by its name in the settings (``[tables]``)."""


_S = TypeVar("_S", bound=msgspec.Struct)


class StageFactory(msgspec.Struct, Generic[_S], frozen=True, kw_only=True):
    """How to make a stage. ``settings`` validates its table in ``nba.toml``.

    ``on_error`` is the default failure policy: ``drop`` what could not be judged (filters),
    ``fall_back`` to the action's prior and the columns as they were (scorers), ``ignore``
    (observers), ``fail`` the call with UNAVAILABLE.
    """

    build: Callable[[Any, Resources], Stage]
    settings: type[msgspec.Struct] = NoSettings
    on_error: OnError = "drop"


# (what the template sees) → content by field; raises RenderFailed
Renderer = Callable[[Mapping[str, Any]], dict[str, str]]


class Channel(Protocol):
    """The way to the customer: renders treatments (and, later, delivers them)."""

    def prepare(self, treatment: Treatment) -> Renderer:
        """Compile a treatment's templates, at load. Raises `MistakesFound` on a bad template."""


class ChannelFactory(msgspec.Struct, frozen=True, kw_only=True):
    """How to make the channel implementation of one kind, for one declared channel."""

    build: Callable[[Any, CatalogView], Channel]
    settings: type[msgspec.Struct] = NoSettings
