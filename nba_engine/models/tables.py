"""Complement tables: compressed sparse rows (CSR) in an ``.npz`` file."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike

from nba_engine.domain.tables import ComplementTable
from nba_engine.domain.values import FloatArray, IntArray
from nba_engine.errors import Mistake, MistakesFound
from nba_engine.models.arrays import read_arrays

__all__ = ["CsrTable", "load_table", "save_table"]

_EMPTY: Mapping[str, float] = MappingProxyType({})
_REMEDY = "write it with save_table: arrays items, indptr, indices, strength"


class CsrTable:
    """A `ComplementTable`: row i of the arrays holds the complements of ``items[i]``.

    ``indptr`` (items + 1,), ``indices`` and ``strength`` (entries,); rows are sorted by falling
    strength. Immutable. Raises `ValueError` naming every flaw of the arrays.
    """

    def __init__(
        self, items: Sequence[str], indptr: ArrayLike, indices: ArrayLike, strength: ArrayLike
    ) -> None:
        self._items = tuple(str(item) for item in items)
        self.indptr: IntArray = np.array(indptr, dtype=np.intp)
        self.indices: IntArray = np.array(indices, dtype=np.intp)
        self.strength: FloatArray = np.array(strength, dtype=np.float64)
        flaws = _flaws(self._items, self.indptr, self.indices, self.strength)
        if flaws:
            raise ValueError("; ".join(flaws))
        self._rows = {
            item: MappingProxyType(self._row(position)) for position, item in enumerate(self._items)
        }

    def _row(self, position: int) -> dict[str, float]:
        entries = slice(self.indptr[position], self.indptr[position + 1])
        order = np.argsort(-self.strength[entries], kind="stable")
        names = [self._items[index] for index in self.indices[entries][order]]
        return dict(zip(names, self.strength[entries][order].tolist(), strict=True))

    @property
    def items(self) -> Sequence[str]:
        return self._items

    def complements(self, item: str) -> Mapping[str, float]:
        """Complement → strength (> 0), strongest first; empty for an unknown item."""
        return self._rows.get(item, _EMPTY)

    def strengths(self, items: Iterable[str]) -> Mapping[str, float]:
        """Complement → strength summed over the distinct ``items``."""
        total: dict[str, float] = {}
        for item in dict.fromkeys(items):
            for complement, strength in self._rows.get(item, _EMPTY).items():
                total[complement] = total.get(complement, 0.0) + strength
        return total


def load_table(path: Path) -> ComplementTable:
    """Read a table. Raises `MistakesFound` when it is missing, damaged or inconsistent."""
    arrays = read_arrays(path, ("items", "indptr", "indices", "strength"), _REMEDY)
    kinds = {"items": "U", "indptr": "iu", "indices": "iu", "strength": "f"}
    mistakes = [
        Mistake(
            file=str(path),
            place=name,
            message=f"holds {arrays[name].dtype} in {arrays[name].ndim} dimensions",
            remedy=_REMEDY,
        )
        for name, kind in kinds.items()
        if arrays[name].dtype.kind not in kind or arrays[name].ndim != 1
    ]
    if mistakes:
        raise MistakesFound(mistakes)
    try:
        return CsrTable(
            arrays["items"].tolist(), arrays["indptr"], arrays["indices"], arrays["strength"]
        )
    except ValueError as error:
        mistake = Mistake(file=str(path), place="", message=str(error), remedy=_REMEDY)
        raise MistakesFound([mistake]) from error


def save_table(path: Path, table: CsrTable) -> None:
    """Write a table in one step: a reader sees the old file or the new one."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    with unfinished.open("wb") as file:
        np.savez_compressed(
            file,
            items=np.array(table.items, dtype=np.str_),
            indptr=table.indptr.astype(np.int64),
            indices=table.indices.astype(np.int32),
            strength=table.strength,
        )
    unfinished.replace(path)


def _flaws(
    items: tuple[str, ...], indptr: IntArray, indices: IntArray, strength: FloatArray
) -> list[str]:
    flaws = []
    if len(set(items)) < len(items):
        flaws.append("items: a name occurs twice")
    if indptr.shape != (len(items) + 1,) or indptr[0] != 0 or np.any(np.diff(indptr) < 0):
        flaws.append("indptr: must rise from 0, with one entry per item and one more")
    if indices.shape != strength.shape or indices.ndim != 1:
        flaws.append("indices and strength: must be equally long")
    if len(indptr) and indptr[-1] != len(indices):
        flaws.append("indptr: its last entry must be the number of indices")
    if np.any((indices < 0) | (indices >= len(items))):
        flaws.append("indices: point outside of items")
    if not np.all(np.isfinite(strength) & (strength > 0)):
        flaws.append("strength: must be finite and above 0")
    if not flaws:
        rows = np.repeat(np.arange(len(items)), np.diff(indptr))
        if len(np.unique(rows * len(items) + indices)) < len(indices):
            flaws.append("indices: an item has the same complement twice")
    return flaws
