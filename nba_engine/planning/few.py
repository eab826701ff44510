"""Few customers: their best chains at many prices, put together by branch and bound.

With few customers one chain more or less is a visible share of the value, and what is right for one
limit after the other need not be right for all. So the best chains at all prices that the search came by,
and at prices around the best, are what a small integer program chooses from. A chain that loses more
at the best prices than the plan can still gain is left out: it is in no better plan.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array, vstack

from nba_engine.planning.resident import At, Resident
from nba_engine.planning.room import Changes, changes_to

__all__ = ["FEW", "Offer", "around", "choose", "offers", "one_by_one"]

FEW = 400  # customers
_AROUND = 60
_DEAR = (0.0, 0.1, 0.3, 1.0, 3.0)  # of what a unit of a limit is worth if it earns all
_NODES = 200  # of the branch and bound, so that it ends, and always at the same place


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """The plan so far, and prices (p, k): chains that are best at any of them are offered."""

    at: At
    prices: NDArray[np.float64]


def around(prices: NDArray[np.float64]) -> NDArray[np.float64]:
    """Prices near some (p, k), of a fixed seed."""
    rng = np.random.default_rng(0)
    spread = np.repeat([0.05, 0.2, 0.6], _AROUND // 3)[:, None]
    return prices * np.exp(spread * rng.normal(size=(_AROUND, len(prices))))


def one_by_one(prices: NDArray[np.float64], dear: NDArray[np.float64]) -> NDArray[np.float64]:
    """Prices (p, k) with one limit after the other for nothing, and as dear as a plan may pay (k,).

    Near prices keep those that are 0, so that chains that spare such a limit are not among theirs.
    """
    many = np.repeat(prices[None], len(_DEAR) * len(prices), axis=0)
    for j, share in enumerate(_DEAR):
        at = np.arange(len(prices))
        many[j * len(prices) + at, at] = share * dear
    return many


def offers(resident: Resident, offer: Offer) -> Changes:
    """The changes to chains that are best at one of the prices, and to none at all."""
    problem = resident.problem
    n, longest = len(resident.budget), problem.rules.longest
    contacts = [np.full((n, longest), -1, dtype=np.int16)]
    periods = [np.full((n, longest), -1, dtype=np.int8)]
    for prices in offer.prices:
        best = resident.best(problem.prices_of_contacts(prices))
        contacts.append(best.contact)
        periods.append(best.period)
    row = np.tile(np.arange(n), len(contacts))
    chains = np.column_stack([row, np.concatenate(contacts), np.concatenate(periods)])
    chains = np.unique(chains, axis=0)
    contact = chains[:, 1 : 1 + longest].astype(np.int16)
    period = chains[:, 1 + longest :].astype(np.int8)
    return changes_to(resident, offer.at, chains[:, 0], contact, period)


def choose(
    changes: Sequence[Changes],
    room: NDArray[np.int64],
    prices: NDArray[np.float64],
    gain: float,
) -> list[NDArray[np.intp]]:
    """Of each partition the places of the changes that gain most together, at most one a customer.

    ``gain``: how much there can be at most. Nothing where nothing was found, or nothing better.
    """
    nobody = [np.zeros(0, dtype=np.intp) for _ in changes]
    which = np.repeat(np.arange(len(changes)), [len(c.row) for c in changes])
    place = np.concatenate([np.arange(len(c.row)) for c in changes])
    rows = np.concatenate([c.row for c in changes])
    value = np.concatenate([c.value for c in changes])
    use = np.concatenate([c.use for c in changes])
    _, customer = np.unique(np.stack([which, rows]), axis=1, return_inverse=True)
    customer = customer.reshape(-1)
    priced = value - use @ prices
    best = np.zeros(int(customer.max(initial=-1)) + 1)  # to stay as it is
    np.maximum.at(best, customer, priced)
    some = np.flatnonzero(best[customer] - priced <= gain)
    if not len(some):
        return nobody
    scale = np.maximum(np.abs(room), np.abs(use).max(axis=0)).clip(1)
    once = csr_array((np.ones(len(some)), (customer[some], np.arange(len(some)))))
    solved = milp(
        -value[some],
        constraints=LinearConstraint(
            vstack([once, csr_array((use[some] / scale).T)]),
            -np.inf,
            np.concatenate([np.ones(once.shape[0]), room / scale]),
        ),
        integrality=np.ones(len(some)),
        bounds=Bounds(0, 1),
        options={"mip_rel_gap": 1e-4, "node_limit": _NODES},
    )
    if solved.x is None:
        return nobody
    taken = some[solved.x > 0.5]
    if (use[taken].sum(axis=0) > room).any() or len(np.unique(customer[taken])) < len(taken):
        return nobody  # kept but for a rounding error: not kept
    if (room >= 0).all() and not value[taken].sum() > 0.0:
        return nobody  # what there is keeps every limit, and is as good
    return [place[taken[which[taken] == i]] for i in range(len(changes))]
