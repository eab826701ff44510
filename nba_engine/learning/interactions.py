"""The interactions that a store holds, as columns: what models of customers are learned from."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nba_engine.domain import Interaction, Store
from nba_engine.errors import Unavailable

__all__ = [
    "Exploded",
    "Interactions",
    "Progress",
    "arrived_of",
    "customers_of",
    "history_of",
    "read_interactions",
]

# called with how many customers were read, and how many there are about
Progress = Callable[[int, int], None]

_TRIES = 100


class Exploded(NamedTuple):
    """One element per element of a property: that of a list, or its one value.

    ``row`` (m,): which interaction; ``code`` (m,): which of ``words``, which are sorted.
    """

    row: NDArray[np.intp]
    code: NDArray[np.intp]
    words: tuple[str, ...]


class Interactions(NamedTuple):
    """What happened, one element per interaction; each customer's stand together, by time.

    ``customer`` (n,) counts ``customer_ids``; ``type`` (n,) counts ``types``, in the order asked for;
    ``time`` (n,) seconds since the epoch; ``interaction_id`` and ``recommendation_id`` (n,) objects,
    the latter "" where there is none. ``fields``: a property's values as they are stored (n,),
    objects, None where an interaction has none; see `numbers` and `exploded`.

    ``customer_ids`` are of all customers in the store, also of those that did nothing of the kind.
    """

    customer_ids: tuple[str, ...]
    types: tuple[str, ...]
    customer: NDArray[np.intp]
    type: NDArray[np.intp]
    time: NDArray[np.float64]
    interaction_id: NDArray[np.object_]
    recommendation_id: NDArray[np.object_]
    fields: dict[str, NDArray[np.object_]]

    def numbers(self, field: str) -> NDArray[np.float64]:
        """A property as numbers (n,): a list adds up; NaN where there is none, or no number."""
        return np.array([_number(value) for value in self.fields[field]], dtype=np.float64)

    def exploded(self, field: str) -> Exploded:
        """A property as words: elements of a list each by itself; what is no text is left out."""
        rows: list[int] = []
        found: list[str] = []
        for row, value in enumerate(self.fields[field]):
            for one in value if isinstance(value, list) else (value,):
                if isinstance(one, str):
                    rows.append(row)
                    found.append(one)
        words, codes = np.unique(np.array(found, dtype=np.object_), return_inverse=True)
        row_column = np.array(rows, dtype=np.intp)
        return Exploded(row_column, codes.astype(np.intp).reshape(-1), tuple(words.tolist()))


def read_interactions(
    store: Store,
    *,
    types: Sequence[str],
    fields: Collection[str] = (),
    until: float | None = None,
    progress: Progress | None = None,
) -> Interactions:
    """Read the interactions of these types that took place before ``until`` (seconds; None: all).

    ``fields`` name the properties to keep. Others may record, link and erase meanwhile: every
    customer is as it was at one moment. Raises `Unavailable` as the store does.
    """
    codes = {name: code for code, name in enumerate(types)}
    latest = math.inf if until is None else until
    names = tuple(dict.fromkeys(fields))
    ids: list[str] = []
    customer: list[int] = []
    kind: list[int] = []
    time: list[float] = []
    own: list[str] = []
    recommended: list[str] = []
    columns: list[list[Any]] = [[] for _ in names]
    total = store.count_customers()
    for done, customer_id in enumerate(customers_of(store), 1):
        history = history_of(store, customer_id)
        if history is None:
            continue
        wanted = [one for one in history if one.type in codes and one.time < latest]
        wanted.sort(key=lambda one: (one.time, one.interaction_id))
        customer += itertools.repeat(len(ids), len(wanted))
        ids.append(customer_id)
        kind += [codes[one.type] for one in wanted]
        time += [one.time for one in wanted]
        own += [one.interaction_id for one in wanted]
        recommended += [one.recommendation_id for one in wanted]
        for name, column in zip(names, columns, strict=True):
            column += [one.properties.get(name) for one in wanted]
        if progress is not None:
            progress(done, max(done, total))
    rows = _read_twice(store, ids, customer, own)
    return Interactions(
        customer_ids=tuple(ids),
        types=tuple(codes),
        customer=np.delete(np.array(customer, dtype=np.intp), rows),
        type=np.delete(np.array(kind, dtype=np.intp), rows),
        time=np.delete(np.array(time, dtype=np.float64), rows),
        interaction_id=np.delete(_objects(own), rows),
        recommendation_id=np.delete(_objects(recommended), rows),
        fields={
            name: np.delete(_objects(column), rows)
            for name, column in zip(names, columns, strict=True)
        },
    )


def customers_of(store: Store) -> Iterator[str]:
    """Each customer once; those merged meanwhile are met as what they have become."""
    met: set[str] = set()
    page = store.customer_ids()
    while page.customer_ids:
        for customer_id in page.customer_ids:
            if customer_id not in met:
                met.add(customer_id)
                yield customer_id
        if not page.more:
            return
        page = store.customer_ids(before=page.more)


def _read_twice(
    store: Store, ids: Sequence[str], customer: Sequence[int], own: Sequence[str]
) -> list[int]:
    """Rows of customers who are no more, that were met again with whom they were merged into."""
    gone = set(ids).difference(customers_of(store))
    if not gone:
        return []
    theirs = {own[row]: row for row, code in enumerate(customer) if ids[code] in gone}
    others = (one for one, code in zip(own, customer, strict=True) if ids[code] not in gone)
    return [theirs[one] for one in others if one in theirs]


def history_of(store: Store, customer_id: str) -> list[Interaction] | None:
    """All that a customer did, as of one moment, in the order of arrival; None: it is no more."""
    found = arrived_of(store, customer_id)
    return None if found is None else [one for one, _ in found]


def arrived_of(store: Store, customer_id: str) -> list[tuple[Interaction, float]] | None:
    """The same, each with when it was recorded; with when it took place if that was not noted."""
    for _ in range(_TRIES):
        found: list[tuple[Interaction, float]] = []
        page = store.history(customer_id)
        if page is None:
            return None
        merges, newest = page.merges, page.newest
        while page is not None and page.merges == merges:
            noted = page.recorded or (None,) * len(page.interactions)
            for one, at in zip(page.interactions, noted, strict=True):
                found.append((one, one.time if at is None else at))
            if page.last >= min(newest, page.newest):  # what came since the first page is later
                return found
            page = store.history(customer_id, after=page.last)
        if page is None:
            return None
    raise Unavailable(f"customer {customer_id} is linked faster than it can be read")


def _number(value: object) -> float:
    if isinstance(value, list):
        numbers = [one for one in value if isinstance(one, int | float)]
        return math.fsum(numbers) if numbers else math.nan
    if isinstance(value, bool) or not isinstance(value, int | float):
        return math.nan
    return float(value)


def _objects(values: Sequence[Any]) -> NDArray[np.object_]:
    """A column that holds lists as they are, which numpy would otherwise make a table of."""
    column = np.empty(len(values), dtype=np.object_)
    for place, value in enumerate(values):
        column[place] = value
    return column
