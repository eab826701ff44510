"""Baskets as numpy columns: which things were bought together, when and by whom."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from nba_engine.domain.values import BoolArray, FloatArray, IntArray
from nba_engine.errors import FailedPrecondition

__all__ = ["Baskets", "Parts", "baskets_of", "halved", "split"]

_TRAIN, _CHOOSE = 0.70, 0.85  # of the baskets, in their order


class Baskets(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """``matrix`` (baskets, items) in CSR, 1.0 where it holds the item; ``items`` by falling reach.

    ``time`` (baskets,), NaN everywhere without times; ``customer`` (baskets,) codes, a basket of its
    own without customers. ``left_out``: items too rare to be counted, or beyond the most allowed.
    """

    items: tuple[str, ...]
    matrix: Any
    time: FloatArray
    customer: IntArray
    left_out: int

    @property
    def timed(self) -> bool:
        """Whether every basket has a time."""
        return not np.isnan(self.time).any()


class Parts(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """Baskets to learn from, to choose by and to judge by: numbers of rows."""

    train: IntArray
    choose: IntArray
    test: IntArray


def baskets_of(
    basket: NDArray[Any],
    item: NDArray[Any],
    *,
    time: FloatArray | None = None,
    customer: NDArray[Any] | None = None,
    most_items: int = 3_000,
    least_baskets: int = 5,
) -> Baskets:
    """Arrange lines (n,) of ``basket`` and ``item``; repeats count once.

    A basket's time is its first line's, its customer that of any line. Items in fewer than
    ``least_baskets`` baskets, and all but the ``most_items`` most frequent, are left out: their
    counts say nothing, and a table of n items takes n² numbers while it is computed.
    Raises `FailedPrecondition` when fewer than two items are left.
    """
    _, first, row = np.unique(basket.astype(np.str_), return_index=True, return_inverse=True)
    names, column = np.unique(item.astype(np.str_), return_inverse=True)
    pairs = np.unique(row.reshape(-1).astype(np.int64) * len(names) + column.reshape(-1))
    rows, columns = np.divmod(pairs, max(len(names), 1))
    reach = np.bincount(columns, minlength=len(names))
    order = np.argsort(-reach, kind="stable")
    kept = order[reach[order] >= least_baskets][:most_items]
    if len(kept) < 2:
        raise FailedPrecondition(
            f"only {len(kept)} of {len(names)} items are in at least {least_baskets} baskets; "
            "more baskets, or coarser items (categories instead of products), are needed"
        )
    place = np.full(len(names), -1)
    place[kept] = np.arange(len(kept))
    used = place[columns] >= 0
    shape = (len(first), len(kept))
    ones = np.ones(int(used.sum()), dtype=np.float64)
    matrix = sparse.csr_array((ones, (rows[used], place[columns[used]])), shape=shape)
    codes = np.arange(len(first))
    if customer is not None:
        codes = np.unique(customer[first].astype(np.str_), return_inverse=True)[1].reshape(-1)
    starts = np.full(len(first), np.nan)
    if time is not None:
        starts = np.full(len(first), np.inf)
        np.minimum.at(starts, row.reshape(-1), time)
    return Baskets(
        items=tuple(names[kept].tolist()),
        matrix=matrix,
        time=starts,
        customer=codes.astype(np.intp),
        left_out=len(names) - len(kept),
    )


def split(baskets: Baskets, random: np.random.Generator) -> Parts:
    """By time where it is known (the past learns, the future judges), else by customers at random."""
    count = baskets.matrix.shape[0]
    if baskets.timed:
        order = np.argsort(baskets.time, kind="stable")
        first, second = round(_TRAIN * count), round(_CHOOSE * count)
        return Parts(train=order[:first], choose=order[first:second], test=order[second:])
    customers = int(baskets.customer.max(initial=-1)) + 1
    place = random.permutation(customers)[baskets.customer] / customers
    return Parts(
        train=np.flatnonzero(place < _TRAIN),
        choose=np.flatnonzero((place >= _TRAIN) & (place < _CHOOSE)),
        test=np.flatnonzero(place >= _CHOOSE),
    )


def halved(matrix: Any, random: np.random.Generator) -> tuple[Any, Any, BoolArray]:
    """Half of each basket is known, the rest wanted; baskets of one item are left out.

    (known, wanted, which rows of ``matrix`` they are). Half of five is two.
    """
    size = np.diff(matrix.indptr)
    usable = size >= 2
    part = sparse.csr_array(matrix[usable])
    size = size[usable]
    row = np.repeat(np.arange(len(size)), size)
    order = np.lexsort((random.random(len(row)), row))
    rank = np.empty(len(row), dtype=np.intp)
    rank[order] = np.arange(len(row)) - np.repeat(np.cumsum(size) - size, size)
    is_known = rank < (size // 2)[row]

    def some(mask: BoolArray) -> Any:
        entries = (part.data[mask], (row[mask], part.indices[mask]))
        return sparse.csr_array(entries, shape=part.shape)

    return some(is_known), some(~is_known), usable
