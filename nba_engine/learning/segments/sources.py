"""Where behavior comes from: a plain table, or attributes and aggregates of the customers in a store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from nba_engine.catalog import aggregate_type
from nba_engine.domain import CatalogView, Store
from nba_engine.domain.customer_view import CustomerView
from nba_engine.domain.values import FloatArray
from nba_engine.errors import NbaError
from nba_engine.learning.interactions import Progress
from nba_engine.learning.segments.behavior import Behavior, Source, behavior_of, identifier
from nba_engine.learning.tables import column_names, read_columns

__all__ = ["Chosen", "Customer", "behavior_in_store", "behavior_in_table", "read_customers"]

_WORDS = 12  # of a map: those that most customers have
_NUMBERS = ("int", "double", "bool")
_DAY = 86_400.0


class Chosen(msgspec.Struct, frozen=True, kw_only=True):
    """What groups are made from and told by: names of columns, or of attributes and aggregates.

    ``only``: no others; ``without``: not these. ``value``: money; ``channels``: columns, or a map.
    """

    only: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    value: str = ""
    channels: tuple[str, ...] = ()

    def takes(self, name: str) -> bool:
        """Whether groups are made from it."""
        if name in (*self.without, self.value, *self.channels):
            return name in self.only
        return not self.only or name in self.only


class Customer(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """A customer as read: ``identity`` is one of its own, "" if no interaction tells any."""

    customer_id: str
    identity: str
    known: Mapping[str, Any]


def behavior_in_table(
    path: Path, chosen: Chosen
) -> tuple[Behavior, Callable[[], list[dict[str, Any]]]]:
    """The numbers of a file with a line per customer, and the lines as mappings for an `Assigner`.

    ``customer`` names who it is (a number of the line without it). A column of texts is left out, and
    told with the first of them, unless it was chosen: then it is a mistake.
    """
    names = column_names(path)
    asked = {*chosen.only, *chosen.channels, *([chosen.value] if chosen.value else [])}
    missing = sorted(asked - set(names))
    if missing:
        raise NbaError(f"{path}: there is no column `{missing[0]}`; it has {', '.join(names)}")
    columns: dict[str, FloatArray] = {}
    unread: list[str] = []
    for name in names:
        if name == "customer" or not (chosen.takes(name) or name in asked):
            continue
        try:
            columns[name] = read_columns(path, {name: "number"}, blank=(name,))[name]
        except NbaError as error:
            if name in asked:
                raise
            unread.append(error.message.removeprefix(f"{path}: "))
    known = {} if "customer" not in names else read_columns(path, {"customer": "text"})
    if known:
        _refuse_repeated(path, known["customer"])
    count = len(next(iter(columns.values()), ()))
    behavior = behavior_of(
        [str(one) for one in known.get("customer", range(1, count + 1))],
        [
            Source(name=name, source=f"customer.{identifier(name)}", values=column)
            for name, column in columns.items()
            if chosen.takes(name)
        ],
        channels={name: columns[name] for name in chosen.channels},
        value=columns.get(chosen.value),
        value_name=chosen.value,
    )
    behavior = msgspec.structs.replace(behavior, left_out=(*behavior.left_out, *unread))

    def lines() -> list[dict[str, Any]]:
        words = [identifier(name) for name in columns]
        cells = zip(*(column.tolist() for column in columns.values()), strict=True)
        return [
            {word: cell for word, cell in zip(words, line, strict=True) if cell == cell}  # noqa: PLR0124
            for line in cells
        ]

    return behavior, lines


def _refuse_repeated(path: Path, customers: NDArray[Any]) -> None:
    _, first, code = np.unique(customers.astype(str), return_index=True, return_inverse=True)
    again = first[code.reshape(-1)] != np.arange(len(customers))
    if again.any():
        row, more = int(again.argmax()), int(again.sum()) - 1
        others = f" (and {more:,} more)" if more else ""
        raise NbaError(
            f"{path}: column `customer`, row {row + 1:,}{others}: {customers[row]!r} stands in row "
            f"{first[code.reshape(-1)[row]] + 1:,} already; write one line per customer, with what all "
            "its lines say together"
        )


def read_customers(
    store: Store, catalog: CatalogView, now: float, *, progress: Progress | None = None
) -> Iterator[Customer]:
    """Every customer as decisions see it at ``now``: attributes, and aggregates when asked for."""
    done, total = 0, store.count_customers()
    page = store.customer_ids()
    while page.customer_ids:
        for customer_id in page.customer_ids:
            done += 1
            if progress is not None:
                progress(done, max(done, total))
            history = store.history(customer_id)
            if history is not None:
                first = history.interactions[0].identity if history.interactions else ""
                view = CustomerView(history.state, catalog.aggregates, now)
                yield Customer(customer_id=customer_id, identity=first, known=view)
        if not page.more:
            return
        page = store.customer_ids(before=page.more)


def behavior_in_store(
    customers: Sequence[Customer], catalog: CatalogView, chosen: Chosen, now: float
) -> Behavior:
    """Numbers and times among attributes and aggregates, and the commonest words of maps.

    What the catalog calls sensitive, or a value model computes, is not taken unless it was chosen.
    """
    types = _types(catalog)
    named = (*chosen.only, *chosen.without, *chosen.channels)
    for name in (*named, *([chosen.value] if chosen.value else [])):
        if name not in types:
            raise NbaError(f"{name} is no attribute or aggregate of the catalog")
    hidden = _hidden(catalog)
    sources: list[Source] = []
    for name, kind in types.items():
        if not chosen.takes(name) or (name in hidden and name not in chosen.only):
            continue
        if kind in _NUMBERS:
            sources.append(
                Source(name=name, source=f"customer.{name}", values=_numbers(customers, name))
            )
        elif kind == "timestamp":
            values = (now - _numbers(customers, name)) / _DAY
            sources.append(Source(name=name, source=f"customer.{name}", values=values, since=True))
        elif kind in ("map<string,double>", "map<string,int>"):
            sources += _of_map(customers, name)
    return behavior_of(
        [one.customer_id for one in customers],
        sources,
        channels=_channels(customers, chosen.channels, types),
        value=_numbers(customers, chosen.value) if chosen.value else None,
        value_name=chosen.value,
    )


def _types(catalog: CatalogView) -> dict[str, str]:
    own = {name: attribute.type for name, attribute in catalog.attributes.items()}
    return {**{name: aggregate_type(spec) for name, spec in catalog.aggregates.items()}, **own}


def _hidden(catalog: CatalogView) -> Collection[str]:
    attributes = {name for name, one in catalog.attributes.items() if one.sensitive}
    return attributes | {
        name for name, one in catalog.aggregates.items() if one.sensitive or one.value is not None
    }


def _numbers(customers: Sequence[Customer], name: str) -> FloatArray:
    return np.array([_number(one.known.get(name)) for one in customers], dtype=np.float64)


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else np.nan


def _of_map(customers: Sequence[Customer], name: str) -> list[Source]:
    maps = [found if isinstance(found := one.known.get(name), Mapping) else {} for one in customers]
    words = Counter(word for one in maps for word, amount in one.items() if amount)
    return [
        Source(
            name=f"{name}_{identifier(word)}",
            source=f"customer.{name}",
            element=word,
            values=np.array([_number(one.get(word, 0.0)) for one in maps], dtype=np.float64),
        )
        for word, _ in sorted(words.items(), key=lambda each: (-each[1], each[0]))[:_WORDS]
    ]


def _channels(
    customers: Sequence[Customer], names: Sequence[str], types: Mapping[str, str]
) -> dict[str, FloatArray]:
    columns: dict[str, FloatArray] = {}
    for name in names:
        if types[name].startswith("map<"):
            columns |= {one.element: one.values for one in _of_map(customers, name)}
        else:
            columns[name] = _numbers(customers, name)
    return columns
