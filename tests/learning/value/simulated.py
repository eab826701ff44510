"""Customers whose purchases were drawn from a model, and what became of them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nba_engine.learning.value import Purchases

__all__ = ["Simulated", "simulate"]


class Simulated(NamedTuple):
    """``gone``: when each customer dropped out, infinity if never."""

    purchases: Purchases
    gone: NDArray[np.float64]


def simulate(
    seed: int,
    *,
    customers: int = 2_000,
    r: float = 1.5,
    alpha: float = 20.0,
    dropout: tuple[float, float] | None = (1.0, 6.0),
    days: float = 365.0,
    arrive: float = 60.0,
    early: bool = False,
) -> Simulated:
    """Rates are gamma(r, alpha), dropouts beta (None: nobody goes); first purchases spread over
    ``arrive`` days. With ``early`` the first purchase may be the last one (MBG/NBD).
    """
    chance = np.random.default_rng(seed)
    who: list[int] = []
    when: list[float] = []
    paid: list[float] = []
    gone = np.full(customers, np.inf)
    for customer in range(customers):
        rate = chance.gamma(r) / alpha
        end = 0.0 if dropout is None else chance.beta(*dropout)
        mean = 30.0 / chance.gamma(4.0) * 3.0
        time, first = chance.uniform(0.0, arrive), True
        while time < days:
            who.append(customer)
            when.append(time)
            paid.append(chance.gamma(6.0) * mean / 6.0)
            if (not first or early) and chance.random() < end:
                gone[customer] = time
                break
            first = False
            time += chance.exponential(1.0 / rate)
    return Simulated(Purchases(np.array(who), np.array(when), np.array(paid)), gone)
