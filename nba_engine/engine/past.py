"""Snapshots of the past: those that made the decisions one still asks about."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import Protocol

from nba_engine.domain import DecisionRecord, Store
from nba_engine.domain.fitted import AFFINITIES, UNFITTED
from nba_engine.engine.shadows import needed_models
from nba_engine.engine.snapshot import Snapshot
from nba_engine.errors import FailedPrecondition, MistakesFound

__all__ = ["Assemble", "Past"]

_KEPT = 4  # snapshots that stay in memory

_Key = tuple[str, tuple[tuple[str, str], ...]]  # catalog version, models by name


class Assemble(Protocol):
    """Makes snapshots of catalog files (name → text). Raises `MistakesFound`."""

    def __call__(self, files: Mapping[str, str], models: Mapping[str, str] = {}) -> Snapshot:
        """``models``: the versions to take of them, where there are several."""


class Past:
    """The last few snapshots, and older ones assembled from the store. Thread-safe."""

    def __init__(self, store: Store, assemble: Assemble | None) -> None:
        self._store = store
        self._assemble = assemble
        self._kept: OrderedDict[_Key, Snapshot] = OrderedDict()
        self._lock = threading.Lock()
        self._assembling = threading.Lock()  # one at a time: each costs a core

    def keep(self, snapshot: Snapshot) -> None:
        """Hold on to a snapshot until others take its place."""
        self._keep(_key(snapshot.catalog.version, snapshot.model_versions), snapshot)

    def find(self, record: DecisionRecord) -> Snapshot | None:
        """The snapshot that made a decision: its catalog, and its versions of registered models.

        None: the store has no such catalog. Raises `FailedPrecondition` (``CATALOG_CHANGED``) when
        it can no longer be assembled.
        """
        key = _key(record.catalog_version, record.model_versions)
        if (kept := self._known(key)) is not None:
            return kept
        with self._assembling:
            if (kept := self._known(key)) is not None:
                return kept
            files = self._store.catalog_files(record.catalog_version)
            if files is None or self._assemble is None:
                return None
            try:
                snapshot = self._assemble(files, {AFFINITIES: UNFITTED, **needed_models(record)})
            except MistakesFound as found:
                raise FailedPrecondition(
                    f"catalog {record.catalog_version}, which decided, can no longer be loaded "
                    f"with its models: {found.mistakes[0]}",
                    reason="CATALOG_CHANGED",
                    metadata={
                        "decision_id": record.decision_id,
                        "catalog_version": record.catalog_version,
                    },
                ) from found
            self._keep(key, snapshot)
            return snapshot

    def _keep(self, key: _Key, snapshot: Snapshot) -> None:
        with self._lock:
            self._kept[key] = snapshot
            self._kept.move_to_end(key)
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)

    def _known(self, key: _Key) -> Snapshot | None:
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)


def _key(version: str, models: Mapping[str, str]) -> _Key:
    return version, tuple(sorted(models.items()))
