"""The table of candidates, a piece after the other: however long it is, one piece is in memory.

What contacts there are is only known when all rows were seen. So rows are noted in a file first,
small and of fixed width, and then put where they belong.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from nba_engine.chains import ChainRules
from nba_engine.domain import MICROS
from nba_engine.errors import NbaError
from nba_engine.learning.tables import Kind, read_pieces
from nba_engine.planning.problem import Contact

__all__ = ["FILTERS", "VALUES", "check_not_negative", "check_not_too_large", "read_candidates"]

FILTERS = ("action", "treatment", "channel", "campaign")
VALUES = "values.npy"
_NOTED = np.dtype([("row", "<i4"), ("contact", "<i4"), ("period", "<i4"), ("value", "<f4")])
_TOGETHER = 1_000_000  # rows put in their places together
_WANTED: Mapping[str, Kind] = {
    "customer": "text",
    "action": "text",
    "treatment": "text",
    "value": "number",
    "cost": "number",
}
_OPTIONAL: Mapping[str, Kind] = {"channel": "text", "campaign": "text", "period": "integer"}


def read_candidates(
    path: Path, customers: pa.StringArray, rules: ChainRules, work: Path | None
) -> tuple[tuple[Contact, ...], NDArray[np.float32]]:
    """The contacts that there are, sorted, and values (customers, contacts, periods or 1).

    The values are a file in the folder ``work``, mapped into memory; without one, in memory.
    """
    number: dict[Contact, int] = {}
    by_period = False
    with TemporaryFile(dir=work) as noted:
        for before, columns in read_pieces(
            path, _WANTED, optional=_OPTIONAL, blank=("channel", "campaign")
        ):
            by_period = "period" in columns
            _note(noted, path, before, columns, customers, rules, number)
        names = tuple(sorted(number))
        place = np.empty(len(names), dtype=np.intp)  # of a contact by the number it got first
        place[[number[name] for name in names]] = np.arange(len(names))
        size = (len(customers), len(names), rules.periods if by_period else 1)
        values = _empty(size, work)
        _put(noted, path, place, values)
    return names, values


def _note(
    noted: IO[bytes],
    path: Path,
    before: int,
    columns: Mapping[str, NDArray[Any]],
    customers: pa.StringArray,
    rules: ChainRules,
    number: dict[Contact, int],
) -> None:
    for name in ("value", "cost"):
        check_not_negative(path, name, columns[name], before)
    cost = np.rint(columns["cost"] * MICROS)
    check_not_too_large(path, "cost", cost, before)
    row = pc.index_in(pa.array(columns["customer"], pa.string()), value_set=customers)
    unknown = np.asarray(pc.is_null(row))
    _check_rows(path, unknown, "customer is not in the table of customers", before)
    period = columns["period"] - 1 if "period" in columns else np.zeros(len(cost), dtype=np.int64)
    outside = (period < 0) | (period >= rules.periods)
    _check_rows(path, outside, f"period is not 1 to {rules.periods}", before)
    piece = np.empty(len(cost), dtype=_NOTED)
    piece["row"] = np.asarray(row)
    piece["contact"] = _contacts(columns, cost.astype(np.int64), number)
    piece["period"] = period
    piece["value"] = columns["value"]
    noted.write(piece.tobytes())


def _contacts(
    columns: Mapping[str, NDArray[Any]], cost: NDArray[np.int64], number: dict[Contact, int]
) -> NDArray[np.intp]:
    """The number of each row's contact; new ones are given the next."""
    names = [name for name in FILTERS if name in columns]
    codes = np.zeros(len(cost), dtype=np.int64)
    for column in (*(pa.array(columns[name], pa.string()) for name in names), pa.array(cost)):
        encoded = column.dictionary_encode()
        codes = codes * len(encoded.dictionary) + np.asarray(encoded.indices)
        codes = np.unique(codes, return_inverse=True)[1].reshape(-1)  # small again
    _, first, contact = np.unique(codes, return_index=True, return_inverse=True)
    known = np.empty(len(first), dtype=np.intp)
    for at, row in enumerate(first):
        one = Contact(**{name: str(columns[name][row]) for name in names}, cost=int(cost[row]))
        known[at] = number.setdefault(one, len(number))
    return known[contact.reshape(-1)]


def _empty(size: tuple[int, int, int], work: Path | None) -> NDArray[np.float32]:
    if work is None:
        return np.full(size, np.nan, dtype=np.float32)
    values = open_memmap(work / VALUES, mode="w+", dtype=np.float32, shape=size)
    for first in range(0, len(values), 20_000):
        values[first : first + 20_000] = np.nan
    return values


def _put(
    noted: IO[bytes], path: Path, place: NDArray[np.intp], values: NDArray[np.float32]
) -> None:
    noted.seek(0)
    before = 0
    while raw := noted.read(_TOGETHER * _NOTED.itemsize):
        piece = np.frombuffer(raw, dtype=_NOTED)
        at = piece["row"], place[piece["contact"]], piece["period"]
        cell = np.ravel_multi_index(at, values.shape)
        again = ~np.isnan(values[at])
        later = np.ones(len(cell), dtype=np.bool_)
        later[np.unique(cell, return_index=True)[1]] = False
        _check_rows(path, again | later, "this candidate was there before", before)
        values[at] = piece["value"]
        before += len(piece)


def check_not_negative(
    path: Path, column: str, numbers: NDArray[np.float64], before: int = 0
) -> None:
    """Raise `NbaError` for the first row where a number is below 0."""
    _check_rows(
        path, numbers < 0.0, f"{column} is below 0: leave such rows out, or write 0", before
    )


def check_not_too_large(
    path: Path, column: str, micros: NDArray[np.float64], before: int = 0
) -> None:
    """Raise `NbaError` for the first row where so many micros are too many to be added up."""
    _check_rows(path, micros >= 2.0**60, f"{column} is too large: 1e12 is the most", before)


def _check_rows(path: Path, wrong: NDArray[np.bool_], words: str, before: int) -> None:
    if wrong.any():
        raise NbaError(f"{path}: row {before + int(np.argmax(wrong)) + 1:,}: {words}")
