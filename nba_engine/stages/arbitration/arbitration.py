"""Stage ``arbitration``: minus the prices of limits, plus what a minimum adds; then what is worth it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nba_engine.domain import (
    Change,
    Deciding,
    Drop,
    FloatArray,
    NoSettings,
    Resources,
    StageFactory,
)
from nba_engine.domain.bits import is_among
from nba_engine.domain.words import with_changes
from nba_engine.stages.arbitration.ranking import scores_of
from nba_engine.stages.limits import Accounts, Prices
from nba_engine.stages.supposing import impossible
from nba_engine.stages.wording import asked, lever, money, subject

__all__ = ["ARBITRATION", "Arbitration", "factor_above"]

_HAIR = 1e-6  # how much more than equal, relative


class Arbitration:
    """Subtracts the sum of price * use from ``score`` and drops what is not above *nothing* (0).

    ``deciding.prices`` maps limits (of one with a scope: its accounts, such as
    ``budget|campaign=autumn``) to the price of one contact or one unit of money; and with
    ``|at_least`` behind the name to what a contact gets added that a minimum still lacks. In
    placements that are planned the plan's prices go before them, and what is due there is charged none.
    """

    def __init__(self, _settings: NoSettings, resources: Resources) -> None:
        catalog = resources.catalog
        accounts = Accounts(catalog)
        self._prices = Prices(catalog, accounts)
        self._planned = Prices(catalog, accounts)  # each remembers the costs at its last prices

    def apply(self, deciding: Deciding) -> None:
        """Adjust scores by prices, then compare with *nothing*."""
        candidates = deciding.candidates
        score = scores_of(candidates)
        if deciding.planned:
            column = self._with_plan(deciding)
            score = score - column
            candidates["price"] = column
            candidates["score"] = score
        elif deciding.prices:
            price = self._prices.of_treatments(deciding.prices)
            score = score - price[candidates.index]
            candidates.share("price", price)
            candidates["score"] = score
        candidates.keep(score > 0.0, "below_nothing")

    def _with_plan(self, deciding: Deciding) -> FloatArray:
        """What each candidate is charged, where some placements are planned."""
        index, slot = deciding.candidates.index, deciding.candidates.slot
        at_plan = self._planned.of_treatments(deciding.prices_in(min(deciding.planned)))
        column = at_plan[index]
        elsewhere = ~is_among(slot, deciding.planned, len(deciding.placements))
        if elsewhere.any():
            own = self._prices.of_treatments(deciding.prices)
            column[elsewhere] = own[index[elsewhere]]
        due = deciding.due_among(index, slot)
        if due is not None:
            # the plan that they are in has given them their room; what minimums add beyond that stays
            column[due] = np.minimum(column[due], 0.0)
        return column

    def explain(
        self, deciding: Deciding, drop: Drop, position: int
    ) -> tuple[str, Sequence[Change]]:
        """The sum in words, and the lever that would lift it above zero."""
        unit = int(drop.index[position])
        columns = {name: float(column[position]) for name, column in drop.columns.items()}
        catalog = deciding.catalog
        score = columns["score"]
        what, chance = _counted(columns)
        terms = (
            f"lever {columns['lever']:.4g} * weight {columns['weight']:.4g} * {what} "
            f"{chance:.4g} * value {money(catalog, columns['value'])} - cost "
            f"{money(catalog, columns['cost'])}"
        )
        slot = int(drop.slot[position])
        for part in self._prices.parts_in(deciding, slot, unit):
            terms += f" {'+' if part.floor else '-'} {asked(catalog, part)}"
        sentence = (
            f"{subject(deciding, unit)} is not worth its contact: {terms} = "
            f"{money(catalog, score)}, and doing nothing costs nothing"
        )
        factor = factor_above(columns, 0.0)
        if factor is None:
            none = impossible("it gains nothing, whatever its lever")
            return with_changes(f"{sentence}.", none), none
        target = catalog.treatments[unit].id
        text = lever(deciding, unit, factor)
        change = Change(kind="lever", target=target, value=factor, text=text)
        return with_changes(f"{sentence}.", [change]), (change,)


def _counted(columns: dict[str, float]) -> tuple[str, float]:
    """What the value is multiplied with: the propensity, or behind the stage uplift the effect."""
    effect = columns.get("effect", columns["propensity"])
    return ("uplift" if effect != columns["propensity"] else "propensity"), effect


def factor_above(columns: dict[str, float], score: float) -> float | None:
    """The lever's factor that lifts a candidate a hair above ``score``; None: no factor can."""
    gain = columns["lever"] * columns["weight"] * _counted(columns)[1] * columns["value"]
    if not gain > 0.0:
        return None
    spent = columns["cost"] + columns.get("price", 0.0)
    factor = (score + spent) / gain
    return factor + max(abs(factor) * _HAIR, _HAIR)


ARBITRATION = StageFactory[NoSettings](build=Arbitration, on_error="fail")
