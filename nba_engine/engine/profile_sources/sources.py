"""All profile sources of an engine: what each of them says of the customer of one decision."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from functools import cache

import msgspec

from nba_engine.domain import CatalogView, CustomerState, Fetched, Store, Value, Values
from nba_engine.engine.profile_sources.asking import Asking, Flight, SourceStatus
from nba_engine.engine.profile_sources.whose import Whose
from nba_engine.engine.reads import raise_marked
from nba_engine.errors import Exhausted, Unavailable

__all__ = ["ProfileSources", "SourceInUse"]

_SWEEP_EVERY = 5.0  # seconds: so long may what nobody may use any more stay in memory

_log = logging.getLogger("nba_engine.profile_sources")

_encode = msgspec.msgpack.Encoder().encode


class SourceInUse(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """One source as the settings have it. ``overrides``: its values count before the profile's."""

    name: str
    namespace: str
    attributes: tuple[str, ...]
    overrides: bool
    asking: Asking
    whose: Whose


class ProfileSources:
    """Thread-safe. The store says which identities a customer has."""

    def __init__(self, sources: Sequence[SourceInUse], store: Store) -> None:
        self._sources = tuple(sources)
        self._store = store
        # what is asked for, by source; with the catalog that declares it
        self._wanted: tuple[CatalogView | None, tuple[Mapping[str, str], ...]] = (None, ())
        last = store.erasures(most=1)
        self._erased = last[0].sequence if last else 0  # nothing is kept of earlier ones
        self._stopping = threading.Event()
        self._sweeper = threading.Thread(
            target=self._sweep, name="nba-profile-source-sweep", daemon=True
        )
        self._sweeper.start()

    @property
    def statuses(self) -> dict[str, SourceStatus]:
        """The counts of each source by its id."""
        return {source.name: source.asking.status for source in self._sources}

    def complete(
        self,
        identity: str,
        found: tuple[CustomerState, bytes] | None,
        catalog: CatalogView,
        *,
        deadline: float | None,
    ) -> tuple[CustomerState, bytes] | None:
        """The customer as read, with what the sources say; what was read, if they say nothing.

        All sources are asked at once. Each is waited for as long as its time limit says, but no
        longer than half of what is left until ``deadline``: the other half is for deciding.
        """
        begun = time.monotonic()
        latest = None if deadline is None else begun + max(0.0, (deadline - begun) / 2)
        asked = [
            (source, source.asking.ask(key, wanted))
            for source, key, wanted in self._whom(identity, found, catalog)
        ]
        stored = {} if found is None else found[0].attributes
        fetched: list[Fetched] = []
        for source, answer in asked:
            kept = answer
            if isinstance(kept, Flight):
                until = begun + source.asking.timeout
                kept = source.asking.wait(kept, until if latest is None else min(until, latest))
            if kept is None:
                fetched.append(Fetched(source=source.name, failed=True))
            elif kept.values is not None:
                values = _own(kept.values, {} if source.overrides else stored)
                if values:
                    one = Fetched(source=source.name, time=kept.time, attributes=values)
                    fetched.append(one)
        return _with(identity, found, fetched)

    def lay_over(
        self, identity: str, found: tuple[CustomerState, bytes] | None, catalog: CatalogView
    ) -> tuple[CustomerState, bytes] | None:
        """What `complete` could give from memory, however old; nobody is asked."""
        fetched = [
            Fetched(source=source.name, time=kept.time, attributes=dict(kept.values))
            for source, key, _ in self._whom(identity, found, catalog)
            if (kept := source.asking.kept(key)) is not None and kept.values
        ]
        return _with(identity, found, fetched)

    def forget_erased(self) -> None:
        """Drop what is kept of those who were erased since this was last called, by any process."""
        if not (erased := self._store.erased_since(self._erased)):
            return
        for source in self._sources:
            names = {f"{source.namespace}:{key}": key for key in source.asking.keys}
            gone = [key for name, key in names.items() if any(one.covers(name) for one in erased)]
            source.asking.forget(gone)
            customers = source.whose.customers
            source.whose.forget(
                [name for name in customers if any(one.covers(name) for one in erased)]
            )
        self._erased = erased[-1].sequence

    def close(self) -> None:
        """Stop asking and release every source."""
        self._stopping.set()
        for source in self._sources:
            source.asking.close()
        self._sweeper.join()

    def _whom(
        self, identity: str, found: tuple[CustomerState, bytes] | None, catalog: CatalogView
    ) -> Iterable[tuple[SourceInUse, str, Mapping[str, str]]]:
        """Which source is asked for whom, and for what; one that does not know such is left out."""
        linked = cache(lambda: self._linked(identity))
        for source, wanted in zip(self._sources, self._asked_for(catalog), strict=True):
            if found is None:
                key = source.whose.of_nobody(identity)
            else:
                key = source.whose.of(found[0].customer_id, linked)
            if key is not None:
                yield source, key, wanted

    def _linked(self, identity: str) -> Sequence[str]:
        """All identities of a customer."""
        try:
            found = self._store.identities(identity)
        except (Unavailable, Exhausted) as error:
            raise_marked(error)
        return () if found is None else found.identities

    def _asked_for(self, catalog: CatalogView) -> tuple[Mapping[str, str], ...]:
        """Per source: its attributes with the types that the catalog declares."""
        known, wanted = self._wanted
        if known is not catalog:
            declared = catalog.attributes
            wanted = tuple(
                {name: declared[name].type for name in source.attributes if name in declared}
                for source in self._sources
            )
            self._wanted = (catalog, wanted)
        return wanted

    def _sweep(self) -> None:
        while not self._stopping.wait(_SWEEP_EVERY):
            for source in self._sources:
                source.asking.sweep()
                source.whose.sweep()
            try:
                self.forget_erased()
            except (Unavailable, Exhausted) as error:
                _log.warning("whoever was erased is kept in memory for now: %s", error.reason)


def _with(
    identity: str, found: tuple[CustomerState, bytes] | None, fetched: Sequence[Fetched]
) -> tuple[CustomerState, bytes] | None:
    """The customer as read, with this; somebody unknown becomes one with nothing but this."""
    if not fetched:
        return found
    state = CustomerState(customer_id=identity, known=False) if found is None else found[0]
    state = msgspec.structs.replace(state, fetched=tuple(fetched))
    return state, _encode(state)


def _own(values: Values, stored: Values) -> dict[str, Value]:
    """The values that are not stored, with lists and maps of its own: others see these, too."""
    return {
        name: value.copy() if isinstance(value, list | dict) else value
        for name, value in values.items()
        if name not in stored
    }
