"""Goods sent back: purchases of a plain file with negative amounts."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nba_engine.errors import NbaError
from nba_engine.learning.value.buyers import Purchases

__all__ = ["Returns", "Settled", "settle_returns"]

Returns = Literal["refuse", "net", "drop"]


class Settled(NamedTuple):
    """Purchases without negative amounts, and in words what became of those."""

    purchases: Purchases
    told: str


def settle_returns(purchases: Purchases, how: Returns, *, source: str) -> Settled:
    """Take returns out of purchases; ``refuse`` raises `NbaError` that names the first row.

    ``drop`` leaves rows with negative amounts out. ``net`` takes each off what the customer bought
    last before it, then off what was bought before that; a purchase of which nothing is left did not
    happen, and what is more than all purchases before is left out.
    """
    back = purchases.amount < 0.0
    if not back.any():
        return Settled(purchases, "")
    count = int(back.sum())
    if how == "refuse":
        row = int(back.argmax())
        more = f" (and {count - 1:,} more)" if count > 1 else ""
        raise NbaError(
            f"{source}: column `amount`, row {row + 1:,}{more}: {purchases.amount[row]:g} is negative; "
            "returns: take them off what was bought before with --returns net, or leave them out "
            "with --returns drop"
        )
    if how == "drop":
        return Settled(_those(purchases, ~back), f"{_counted(count, 'return')} left out")
    amount = purchases.amount.copy()
    gone = back.copy()
    order = np.lexsort((back, purchases.time, purchases.customer))
    beyond = 0
    bought: list[int] = []
    customer = -1
    for at in order.tolist():
        if purchases.customer[at] != customer:
            customer, bought = int(purchases.customer[at]), []
        if not back[at]:
            if amount[at] > 0.0:  # nothing can be sent back of what has no amount
                bought.append(at)
            continue
        left = -float(amount[at])
        while left > 0.0 and bought:
            taken = min(left, float(amount[bought[-1]]))
            amount[bought[-1]] -= taken
            left -= taken
            if amount[bought[-1]] <= 0.0:
                gone[bought.pop()] = True
        beyond += left > 0.0
    whole = int(gone.sum()) - count
    told = (
        f"{_counted(count, 'return')} taken off what was bought before; of "
        f"{_counted(whole, 'purchase', were=False)} nothing is left"
    )
    if beyond:
        told += f"; what went beyond all purchases before was left out ({_counted(beyond, 'return', were=False)})"
    settled = purchases._replace(amount=amount)
    return Settled(_those(settled, ~gone), told)


def _those(purchases: Purchases, kept: NDArray[np.bool_]) -> Purchases:
    if not kept.any():
        raise NbaError("there is no purchase left without the returns")
    return Purchases(purchases.customer[kept], purchases.time[kept], purchases.amount[kept])


def _counted(count: int, one: str, *, were: bool = True) -> str:
    verb = " was" if count == 1 else " were"
    return f"{count:,} {one}{'' if count == 1 else 's'}{verb if were else ''}"
