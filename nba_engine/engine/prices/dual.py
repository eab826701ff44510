"""One step of a price: up when more was used than planned, down when less.

The price of a limit is the multiplier of its constraint in *maximize the sum of scores, use ≤ amount*:
what one more unit (a contact, or one unit of money) would earn. A treatment that uses ``c`` units is
worth ``score - price * c``. Mirror descent on the dual moves the price against the difference between
planned and actual use (Balseiro, Lu & Mirrokni, arXiv 2011.10124)::

    price <- max(0, price + eta * s * (use - rho) / rho),      eta = STEP * n / sqrt(N)

A minimum is a constraint the other way round, *use ≥ amount*; its multiplier is a bonus that is added to
the score, and moves the other way: up when less was used than planned.

``use`` and ``rho`` are what was used and what was planned since the step before, in units; ``s`` is the
size that such prices have, in money per unit; ``n`` is ``rho`` in contacts, and ``N`` the contacts that
the whole amount buys. So a step after every contact moves by STEP / sqrt(N), and one step after many
contacts moves as far as their steps together: how often prices are updated does not matter. While a
price that began at 0 has not yet seen N contacts planned, it finds its size with larger steps: N is
then as many as were (the step 1 / sqrt(t) of a horizon that nobody knows).
"""

from __future__ import annotations

import math

__all__ = ["MOST", "STEP", "next_price"]

STEP = 0.5
FIRST = 0.02  # of the contacts of an amount: with fewer behind it, a price moves as with so many
MOST = 0.25  # of ``s``: no step is larger, however long nobody looked


def next_price(
    price: float,
    *,
    used: float,
    planned: float,
    scale: float,
    per_contact: float,
    contacts: float,
    since: float = math.inf,
    step: float = STEP,
    floor: bool = False,
) -> float:
    """The price after ``used`` units where ``planned`` (rho) were to be used.

    ``scale`` (s) is money per unit, ``per_contact`` the units that a contact uses on average, and
    ``contacts`` (N) what the whole amount buys, ``since`` how many of them were planned since the price
    began at 0. Where nothing is left to plan with, nothing moves:
    the ledger refuses whatever comes, and no price steers it. A ``floor`` is a minimum: what it returns
    is the bonus.
    """
    if planned <= 0.0 or contacts <= 0.0 or per_contact <= 0.0:
        return max(0.0, price)
    eta = step * (planned / per_contact) / math.sqrt(min(contacts, max(since, FIRST * contacts)))
    change = eta * ((planned - used) if floor else (used - planned)) / planned
    return max(0.0, price + max(-MOST, min(MOST, change)) * scale)
