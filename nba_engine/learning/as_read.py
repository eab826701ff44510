"""Model inputs of logged decisions, as serving computed them: nothing that came later is seen."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from nba_engine.domain import (
    AggregateSpec,
    BoolArray,
    CatalogView,
    ComplementTable,
    CustomerState,
    CustomerView,
    DecisionRecord,
    Feature,
    IntArray,
    Interaction,
    Store,
)
from nba_engine.domain.algebra import fold_for
from nba_engine.domain.fitted import AFFINITIES, FITTED, FittedTable
from nba_engine.learning.interactions import arrived_of
from nba_engine.models import load_fitted
from nba_engine.models.assembly import Assembly

__all__ = ["AsRead", "FittedOf", "catalogs_by_version", "fitted_by_version"]

_decode = msgspec.msgpack.Decoder(CustomerState).decode

# what was fitted holds for an aggregate that counts the same
_COUNTED = ("by", "half_life", "types", "positive", "segment")

# version ("": none) → what was in force then of affinities; None: gone
FittedOf = Callable[[str], FittedTable | None]


class _Waiting(NamedTuple):
    """A decision some of whose inputs are computed from interactions."""

    row: int
    treatments: IntArray
    record: DecisionRecord
    state: CustomerState


class AsRead:
    """Gathers the inputs of decisions, one row per recommendation; see `read_decisions`.

    ``fitted_of``: what decisions knew of what is usual (affinities, shares, waits). Without it, and for
    the features ``assumed``, that is what the catalogs have, learned from what came later perhaps.
    """

    def __init__(
        self,
        features: Sequence[Feature],
        catalog: CatalogView,
        catalog_of: Callable[[str], CatalogView | None],
        tables: Mapping[str, ComplementTable],
        fitted_of: FittedOf | None = None,
        assumed: Collection[str] = (),
    ) -> None:
        self._wanted = tuple(features)
        self._fitted_of = fitted_of
        self._fitted = {
            feature.source.partition(".")[2]
            for feature in features
            if feature.source.startswith("customer.") and feature.name not in assumed
        }
        self._catalog = catalog
        self._catalog_of = catalog_of
        self._tables = tables
        self._assemblies: dict[str, Assembly | None] = {}
        self._changed: dict[str, bool] = {}
        self._blocks: list[NDArray[np.float32]] = []
        self._rows = 0
        self._waiting: dict[str, list[_Waiting]] = {}

    def add(self, record: DecisionRecord) -> None:
        """Read the inputs of a decision's recommendations."""
        count = len(record.recommendations)
        rows = np.full((count, len(self._wanted)), np.nan, dtype=np.float32)
        if self._wanted and count:
            self._read(record, rows)
        self._blocks.append(rows)
        self._rows += count

    def features(self, store: Store) -> tuple[NDArray[np.float32], BoolArray]:
        """All rows (n, f), and which of them could be read."""
        rows = np.empty((self._rows, len(self._wanted)), dtype=np.float32)
        if self._blocks:
            np.concatenate(self._blocks, out=rows)
        for identity, waiting in self._waiting.items():
            self._recompute(store, identity, waiting, rows)
        readable: BoolArray = np.logical_not(np.isnan(rows).any(axis=1))
        return rows, readable

    def _read(self, record: DecisionRecord, rows: NDArray[np.float32]) -> None:
        version = record.catalog_version
        assembly = self._assembly(version)
        catalog = self._catalog_of(version)
        if assembly is None or catalog is None or (record.known and not record.profile):
            return
        index = _index(record, catalog)
        specs = self._as_of(record, catalog.aggregates)
        if index is None or specs is None:
            return
        state = _state(record)
        if self._changed[version]:
            waiting = _Waiting(self._rows, index, record, state)
            self._waiting.setdefault(record.request.identity, []).append(waiting)
            return
        view = CustomerView(state, specs, record.time, known=record.known)
        assembly.rows(index, view, record.request.context, record.time, rows)

    def _as_of(
        self, record: DecisionRecord, specs: Mapping[str, AggregateSpec]
    ) -> Mapping[str, AggregateSpec] | None:
        """Aggregates with what had been fitted of them when it decided; None if that is gone."""
        names = [name for name in self._fitted & set(specs) if specs[name].kind in FITTED]
        if not names or self._fitted_of is None:
            return specs
        table = self._fitted_of(record.model_versions.get(AFFINITIES, ""))
        if table is None:
            return None
        then = {}
        for name in names:
            spec, fitted = specs[name], table.aggregates.get(name)
            holds = fitted is not None and all(
                getattr(spec, key) == getattr(fitted, key) for key in _COUNTED
            )
            prior = fitted.prior if fitted is not None and holds else None
            then[name] = msgspec.structs.replace(spec, prior=prior)
        return {**specs, **then}

    def _assembly(self, version: str) -> Assembly | None:
        """Over the catalog that decided: its values of actions, not those of today."""
        if version not in self._assemblies:
            catalog = self._catalog_of(version)
            self._changed[version] = catalog is not None and any(
                self._differs(feature, catalog.aggregates) for feature in self._wanted
            )
            self._assemblies[version] = (
                None if catalog is None else Assembly(self._wanted, catalog, self._tables)
            )
        return self._assemblies[version]

    def _differs(self, feature: Feature, then: Mapping[str, AggregateSpec]) -> bool:
        of, _, name = feature.source.partition(".")
        spec = self._catalog.aggregates.get(name) if of == "customer" else None
        return spec is not None and then.get(name) != spec

    def _changed_names(self, waiting: Sequence[_Waiting]) -> set[str]:
        names = set()
        for version in {one.record.catalog_version for one in waiting}:
            catalog = self._catalog_of(version)
            for feature in self._wanted:
                if catalog is not None and self._differs(feature, catalog.aggregates):
                    names.add(feature.source.partition(".")[2])
        return names

    def _recompute(
        self,
        store: Store,
        identity: str,
        waiting: Sequence[_Waiting],
        rows: NDArray[np.float32],
    ) -> None:
        """Fold what had taken place, and had been recorded, before each of a customer's decisions."""
        if store.kept_since() is not None:
            return  # what was forgotten is missing in them
        changed = self._changed_names(waiting)
        found = store.customer(identity)
        history = (arrived_of(store, found[0].customer_id) if found else None) or []
        history.sort(key=lambda one: (max(one[0].time, one[1]), one[0].time))
        specs = self._catalog.aggregates
        fold = fold_for({name: specs[name] for name in changed})
        states: dict[str, Any] = {}
        done = 0
        for one in sorted(waiting, key=lambda one: one.record.time):
            record = one.record
            until = done
            while until < len(history) and _known(*history[until], record.time):
                until += 1
            states = fold(states, [happened for happened, _ in history[done:until]])
            done = until
            then = one.state.aggregates
            kept = {name: then[name] for name in then if name not in changed}
            again = {name: states[name] for name in changed if name in states}
            state = msgspec.structs.replace(one.state, aggregates=kept | again)
            as_of = self._as_of(record, specs)
            if as_of is None:
                continue
            view = CustomerView(state, as_of, record.time, known=record.known)
            assembly = self._assemblies[record.catalog_version]
            assert assembly is not None  # nothing waits for a catalog that is gone
            out = rows[one.row : one.row + len(one.treatments)]
            assembly.rows(one.treatments, view, record.request.context, record.time, out)


def _known(one: Interaction, recorded: float, at: float) -> bool:
    """Whether a decision could know of it: what is told later was not known, whenever it was."""
    return one.time < at and recorded <= at


def _index(record: DecisionRecord, catalog: CatalogView) -> IntArray | None:
    found = [catalog.treatment_index.get(one.treatment) for one in record.recommendations]
    if None in found:
        return None
    return np.array(found, dtype=np.intp)


def _state(record: DecisionRecord) -> CustomerState:
    if not record.profile:
        return CustomerState(customer_id=record.customer_id)
    return _decode(record.profile)


def catalogs_by_version(
    store: Store, load: Callable[[Mapping[str, str]], CatalogView], current: CatalogView
) -> Callable[[str], CatalogView | None]:
    """The stored catalogs, loaded when first asked for; None for one that is gone."""
    known: dict[str, CatalogView | None] = {current.version: current}

    def find(version: str) -> CatalogView | None:
        if version not in known:
            files = store.catalog_files(version)
            known[version] = None if files is None else load(files)
        return known[version]

    return find


def fitted_by_version(path: Path) -> FittedOf:
    """The tables of affinities that are kept beside the one in force; None for one that is gone."""
    known: dict[str, FittedTable | None] = {"": FittedTable()}

    def find(version: str) -> FittedTable | None:
        if version not in known:
            table, found = load_fitted(path, version)
            known[version] = table if found == version else None
        return known[version]

    return find
