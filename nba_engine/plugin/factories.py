"""What the hooks for stores and model runtimes offer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias

from nba_engine.domain import ModelRuntime, Store

__all__ = ["RuntimeFactory", "StoreFactory"]

RuntimeFactory: TypeAlias = Callable[[], ModelRuntime]


class StoreFactory(Protocol):
    """Opens a store of one scheme."""

    def __call__(self, url: str, *, create: bool, simulated: bool | None) -> Store:
        """Open the store at ``url`` (with its scheme; file paths in it are absolute).

        ``create``: make it when it does not exist. ``simulated``: require (or create) a store of
        that kind; None takes it as it is. Raises `MistakesFound` or `Unavailable`.
        """
