"""What the prices of limits had to do with who stands above whom, in words."""

from __future__ import annotations

from nba_engine.domain import Deciding, Recommendation
from nba_engine.domain.words import enumerated
from nba_engine.stages.limits import Accounts, PricePart, Prices
from nba_engine.stages.wording import minimum, money, subject

__all__ = ["moved_below"]


def moved_below(
    deciding: Deciding,
    accounts: Accounts,
    unit: int,
    slot: int,
    score: float,
    above: Recommendation,
) -> str:
    """Which prices moved a candidate below what stands above it; "" when it would be there anyway.

    Both are in the placement ``slot``. So does a bonus, that of what is to reach a minimum, when it lifted the other one.
    """
    if not deciding.prices_in(slot):
        return ""
    prices = Prices(deciding.catalog, accounts)
    at = deciding.catalog.treatment_index[above.treatment]
    own, others = (prices.parts_in(deciding, slot, one) for one in (unit, at))
    worth = score + sum(part.total for part in own)
    asks = [part for part in own if not part.floor]
    adds = [part for part in others if part.floor]
    if not (asks or adds) or worth <= above.score + sum(part.total for part in others):
        return ""
    told = []
    if asks:
        listed = enumerated([_told(deciding, part) for part in asks])
        told.append(f"the price of {listed} moved it below {subject(deciding, at)}")
    for part in adds:
        added = money(deciding.catalog, -part.total)
        told.append(f"{minimum(part.limit)} adds {added} to {subject(deciding, at)}")
    return "".join(f"; {one}" for one in told)


def _told(deciding: Deciding, part: PricePart) -> str:
    """The limit and what it asks for this contact."""
    return f"“{part.limit.name}” ({money(deciding.catalog, part.total)} for this contact)"
