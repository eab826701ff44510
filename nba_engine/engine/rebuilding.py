"""Aggregates computed again from the interactions that are stored.

While others record, link and decide: a customer's aggregates are replaced only if nothing was added
to what they were computed from. If something was, it is added to them and they are offered again.

Where interactions were forgotten (retention), what may have counted them is kept as it is.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from nba_engine.domain import AggregateSpec, CustomerState, Rebuilt, Store
from nba_engine.domain.algebra import FORGOTTEN, fold_for
from nba_engine.errors import Unavailable

__all__ = ["Difference", "Rebuilding", "same_states"]

TOLERANCE = 1e-9  # of decayed counters, relative
_BATCH = 100  # customers per commit
_TRIES = 100


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """A customer whose aggregates are not those of its interactions.

    ``aggregates``: name → (as kept, as computed again), states of `nba_engine.domain.algebra`;
    None: there is none.
    """

    customer_id: str
    aggregates: Mapping[str, tuple[Any, Any]]


class _Computed(msgspec.Struct, frozen=True):
    kept: CustomerState
    folded: dict[str, Any]  # all that the stored interactions give
    rebuilt: Rebuilt


class Rebuilding:
    """Holds the aggregates of customers against their interactions, and mends them if asked to.

    What is kept of aggregates that ``specs`` does not declare goes, unless interactions were
    forgotten. ``held`` are the aggregates that were left as they are because of that; with
    ``from_what_is_kept``, none is.
    """

    def __init__(
        self,
        store: Store,
        specs: Mapping[str, AggregateSpec],
        *,
        from_what_is_kept: bool = False,
    ) -> None:
        self._from_what_is_kept = from_what_is_kept
        self._store = store
        self._specs = specs
        self._fold = fold_for(specs)
        self.held: set[str] = set()

    def customers(self) -> Iterator[str]:
        """The ids of all customers. Those merged meanwhile are met as what they have become."""
        page = self._store.customer_ids()
        yield from page.customer_ids
        while page.more:
            page = self._store.customer_ids(before=page.more)
            yield from page.customer_ids

    def check(self, customer_ids: Iterable[str]) -> Iterator[Difference | None]:
        """For each customer what is wrong, if anything. Writes nothing."""
        for customer_id in customer_ids:
            yield self._difference(self._computed(customer_id))

    def mend(self, customer_ids: Iterable[str]) -> Iterator[Difference | None]:
        """For each customer what was wrong, if anything: mended, and durable, when it is told.

        Raises `Unavailable` for a customer that changes faster than it can be computed.
        """
        remaining = iter(customer_ids)
        while some := list(itertools.islice(remaining, _BATCH)):
            yield from self._mended(some)

    def _mended(self, customer_ids: Sequence[str]) -> list[Difference | None]:
        found = {name: self._computed(name) for name in customer_ids}
        told = {name: self._difference(one) for name, one in found.items()}
        wrong = [name for name, difference in told.items() if difference is not None]
        for _ in range(_TRIES):
            offered = [one.rebuilt for name in wrong if (one := found[name]) is not None]
            if not offered:
                return [told[name] for name in customer_ids]
            done = self._store.rebuild(offered)
            refused = [one for one, ok in zip(offered, done, strict=True) if not ok]
            wrong = []
            for late in refused:
                name = late.customer_id
                found[name] = self._computed(name, found[name])
                told[name] = self._difference(found[name])
                if told[name] is not None:
                    wrong.append(name)
        raise _too_fast(wrong[0])

    def _computed(self, customer_id: str, known: _Computed | None = None) -> _Computed | None:
        """A customer and its aggregates computed again, from ``known`` on; None: is no more."""
        aggregates: dict[str, Any] = {} if known is None else known.folded
        after = 0 if known is None else known.rebuilt.newest
        merges = -1 if known is None else known.rebuilt.merges
        restarts = 0
        while restarts < _TRIES:
            page = self._store.history(customer_id, after=after)
            if page is None:
                return None
            if after and (page.merges != merges or page.newest < after):
                # interactions came, or went, among those that were read already
                aggregates, after = {}, 0
                restarts += 1
                continue
            merges = page.merges
            aggregates = self._fold(aggregates, page.interactions)
            after = page.last
            if after >= page.newest:
                rebuilt = Rebuilt(
                    customer_id=customer_id,
                    aggregates=self._complete(page.state.aggregates, aggregates),
                    newest=page.newest,
                    merges=page.merges,
                )
                return _Computed(page.state, aggregates, rebuilt)
        raise _too_fast(customer_id)

    def _complete(self, kept: Mapping[str, Any], again: dict[str, Any]) -> dict[str, Any]:
        """The aggregates computed again; those as kept that forgotten interactions may count in.

        What is forgotten while a customer is read was read before it went, or is known here.
        """
        since = self._store.kept_since()
        if since is None or self._from_what_is_kept:
            return again
        complete = dict(again)
        for name in kept:  # of what never counted anything, there is nothing to lose
            spec = self._specs.get(name)
            if spec is None or not _needs_nothing_before(spec, again.get(name), since):
                self.held.add(name)
                complete[name] = kept[name]
        return complete

    def _difference(self, computed: _Computed | None) -> Difference | None:
        if computed is None:
            return None
        kept, again = computed.kept.aggregates, computed.rebuilt.aggregates
        different = {
            name: (kept.get(name), again.get(name))
            for name in sorted(kept.keys() | again.keys())
            if not same_states(self._specs.get(name), kept.get(name), again.get(name))
        }
        if not different:
            return None
        return Difference(customer_id=computed.kept.customer_id, aggregates=different)


def _needs_nothing_before(spec: AggregateSpec, state: Any, since: float) -> bool:
    """Whether this state is the same, whatever happened before."""
    if state is None:
        return False
    if spec.kind == "last":
        return not spec.by
    if spec.kind != "set" or not spec.within:
        return False
    times = [
        time for cell in state.values() for time in (cell if isinstance(cell, list) else [cell])
    ]
    newest = max((time for time in times if time is not None), default=-math.inf)
    return bool(newest - spec.within >= since)


def same_states(spec: AggregateSpec | None, one: Any, other: Any) -> bool:
    """Whether two states of an aggregate are the same: what decays to 1e-9, else exactly."""
    if one == other:
        return True
    if spec is None or spec.kind not in {"decayed", "affinity", "share"}:
        return False
    mine, theirs = (one, other) if spec.by else ({"": one}, {"": other})
    try:
        return bool(mine.keys() == theirs.keys()) and all(
            len(cell) == len(theirs[word])
            and cell[0] == theirs[word][0]
            and all(
                math.isclose(amount, theirs[word][at], rel_tol=TOLERANCE, abs_tol=FORGOTTEN)
                for at, amount in enumerate(cell[1:], start=1)
            )
            for word, cell in mine.items()
        )
    except (AttributeError, TypeError, IndexError):  # a state of another kind
        return False


def _too_fast(customer_id: str) -> Unavailable:
    return Unavailable(f"customer {customer_id} changes faster than it can be computed again")
