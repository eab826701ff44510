"""Precomputed cross-sell tables: which things go with which."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

__all__ = ["ComplementTable"]


class ComplementTable(Protocol):
    """Top complements per item, in CSR arrays; items are the catalog's ``action.category`` words."""

    @property
    def items(self) -> Sequence[str]: ...
    def complements(self, item: str) -> Mapping[str, float]:
        """Complement → strength (> 0) of one item; empty for an unknown one."""

    def strengths(self, items: Iterable[str]) -> Mapping[str, float]:
        """Complement → summed strength over several items (a cart)."""
