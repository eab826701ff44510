"""The best chains of many customers at given prices."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from nba_engine.chains.by_columns import search_columns
from nba_engine.chains.by_customer import FEW, search_customers
from nba_engine.chains.patterns import Patterns

__all__ = ["Chains", "best_chains", "is_compiled"]


class Chains(msgspec.Struct, frozen=True, kw_only=True):
    """Chains of n customers, contacts in the order of time.

    ``contact`` (n, longest) int16 and ``period`` (n, longest) int8, from 0; -1 behind the last.
    ``value`` (n,) float64: what they earn, diminishing included. ``worth`` (n,) float64: that less
    the prices of what they use, at least 0.
    """

    contact: NDArray[np.int16]
    period: NDArray[np.int8]
    value: NDArray[np.float64]
    worth: NDArray[np.float64]


def is_compiled() -> bool:
    """Whether chains are searched by the compiled kernel; without numba it is numpy, and slower."""
    return _compiled() is not None


def best_chains(
    patterns: Patterns,
    values: NDArray[np.float32],
    budget: NDArray[np.int64],
    price: NDArray[np.float64],
    *,
    use_numba: bool | None = None,
) -> Chains:
    """For each customer the chain of most value less prices that its budget can pay; exact.

    ``values`` (n, contacts, periods), or (n, contacts, 1) when contacts earn the same in every
    period but for their factor: at least 0, NaN where a customer has no such candidate. ``budget``
    (n,) micros. ``price`` (contacts, periods): of all that one contact in a period uses, may be
    below 0. The same chains with numba and without (``use_numba``; None: when there is numba).
    """
    n, longest = len(values), patterns.rules.longest
    contact = np.empty((n, longest), dtype=np.int16)
    period = np.empty((n, longest), dtype=np.int8)
    worth, value = np.empty(n), np.empty(n)
    by_period = np.ascontiguousarray(price.T)
    search = _compiled() if use_numba is not False else None
    if use_numba and search is None:
        raise ModuleNotFoundError("numba is not installed", name="numba")
    if not len(patterns.pattern):  # no contact keeps the limits of a chain
        contact[:], period[:], worth[:], value[:] = -1, -1, 0.0, 0.0
    elif search is None:
        plain = search_customers if n <= FEW else search_columns
        plain(patterns, values, budget, by_period, contact, period, worth, value)
    else:
        search(
            values,
            budget,
            by_period,
            patterns.contacts.factor,
            patterns.rules.weights,
            patterns.contacts.action,
            patterns.members,
            patterns.place,
            patterns.pattern,
            patterns.cost,
            patterns.depth,
            contact,
            period,
            worth,
            value,
        )
    return Chains(contact=contact, period=period, value=value, worth=worth)


@cache
def _compiled() -> Callable[..., Any] | None:
    try:
        from nba_engine.chains.compiled import search
    except ModuleNotFoundError as error:
        if error.name not in {"numba", "llvmlite"}:
            raise
        return None
    return search
