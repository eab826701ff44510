"""Stage ``cross_sell``: not what was just bought, rather what goes with it."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from nba_engine.domain import Change, Deciding, Drop, Resources, StageFactory
from nba_engine.domain.values import FloatArray, IntArray
from nba_engine.stages.cross_sell_explained import Bought, explain_cross_sell
from nba_engine.stages.relations import Category, relate
from nba_engine.stages.windows import QuietClock

__all__ = ["CROSS_SELL", "CrossSell", "CrossSellSettings"]

_DAY = 86_400.0
_REASONS = ("bought_recently", "substitute_bought", "in_cart")


class CrossSellSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of `CrossSell`.

    ``table``: a complement table of ``[tables]``, "" for none. ``bought``: the aggregate (last, by
    category) that tells when something was bought. ``cart``: the context attribute that lists what
    lies in the cart. ``window_days``: how long a purchase raises its complements. ``boost``: the
    weight gained per unit of strength; ``upgrade_boost``: for upgrades of what is owned;
    ``relation_strength``: of a ``complements`` relation in the catalog; ``max_weight``: the bound.
    """

    table: str = ""
    bought: str = "last_bought"
    cart: str = "cart"
    window_days: float = 14.0
    boost: float = 0.5
    upgrade_boost: float = 0.5
    relation_strength: float = 1.0
    max_weight: float = 3.0


class CrossSell:
    """Drops what was bought lately, its substitutes and what lies in the cart; raises its company.

    Complements and upgrades gain ``weight``; the calibrated propensity is never touched.
    Works from the customer's few categories outwards: relations are arranged when it is built.
    """

    def __init__(self, settings: CrossSellSettings, resources: Resources) -> None:
        catalog = resources.catalog
        table = resources.complements(settings.table) if settings.table else None
        self._settings = settings
        self._size = len(catalog.treatments)
        self._categories = relate(catalog, table, settings.relation_strength)
        self._window = settings.window_days * _DAY
        owned = [a.owned_for for a in catalog.actions]
        self._forever = any(a.upgrades_to and a.owned_for <= 0 for a in catalog.actions)
        self._horizon = max([self._window, *owned])
        self._clock = QuietClock(catalog)
        # the code of each category as a source of complements, by its number
        self._names = list(self._categories)
        self._number = {name: i for i, name in enumerate(self._names)}
        self._codes = np.empty(len(self._names), dtype=object)
        for i, name in enumerate(self._names):
            self._codes[i] = (f"complement_of:{name}",)

    def apply(self, deciding: Deciding) -> None:
        """Drop, then raise."""
        now = deciding.now
        bought = self._bought(deciding)
        cart = self._cart(deciding)
        if not bought and not cart:
            return
        owned: list[IntArray] = []
        replaced: list[IntArray] = []
        going: list[Category] = []
        for category, time in bought:
            age = now - time
            for window, treatments in category.windows:
                if age < window:
                    owned.append(treatments)
            for window, treatments in category.substitutes:
                if age < window:
                    replaced.append(treatments)
            if age < self._window and len(category.complements):
                going.append(category)
        in_cart = [category.treatments for category in cart]
        going += [category for category in cart if len(category.complements)]
        if owned or replaced or in_cart:
            code = np.zeros(self._size, dtype=np.int8)
            # the first reason of the three wins, so it is written last
            for number, kept_back in ((3, in_cart), (2, replaced), (1, owned)):
                if kept_back:
                    code[np.concatenate(kept_back)] = number
            candidates = deciding.candidates
            candidates.drop_each(code[candidates.index], _REASONS)
        gain = self._complements(deciding, going) if going else None
        self._weigh(deciding, self._upgrades(deciding, bought, gain))

    def _complements(self, deciding: Deciding, going: Sequence[Category]) -> FloatArray:
        """What complements gain, (T,); each is told by the category it owes most to."""
        treatments = np.concatenate([category.complements for category in going])
        strengths = np.concatenate([category.strengths for category in going])
        numbers = np.repeat(
            [self._number[category.name] for category in going],
            [len(category.complements) for category in going],
        )
        order = strengths.argsort(kind="stable")
        source = np.full(self._size, -1, dtype=np.intp)
        source[treatments[order]] = numbers[order]  # of several, the last and strongest stays
        candidates = deciding.candidates
        source = source[candidates.index]
        hit = np.flatnonzero(source >= 0)
        told = zip(candidates.index[hit].tolist(), self._codes[source[hit]].tolist(), strict=True)
        codes = candidates.reason_codes
        if not codes:
            codes.update(told)
        else:
            for treatment, code in told:
                candidates.add_reason(treatment, code[0])
        summed = np.bincount(treatments, weights=strengths, minlength=self._size)
        return np.asarray(self._settings.boost * summed, dtype=np.float64)

    def _upgrades(
        self,
        deciding: Deciding,
        bought: Sequence[tuple[Category, float]],
        gain: FloatArray | None,
    ) -> FloatArray | None:
        for category, time in bought:
            for upgrade in category.upgrades:
                if upgrade.owned_for > 0 and deciding.now - time >= upgrade.owned_for:
                    continue
                if gain is None:
                    gain = np.zeros(self._size)
                gain[upgrade.treatments] += self._settings.upgrade_boost
                for treatment in upgrade.treatments.tolist():
                    deciding.candidates.add_reason(treatment, f"upgrade_of:{upgrade.action}")
        return gain

    def _weigh(self, deciding: Deciding, gain: FloatArray | None) -> None:
        if gain is None:
            return
        candidates = deciding.candidates
        weight = np.minimum(1.0 + gain[candidates.index], self._settings.max_weight)
        if "weight" in candidates:
            weight *= candidates["weight"]
        candidates["weight"] = weight

    def _bought(self, deciding: Deciding) -> list[tuple[Category, float]]:
        """The categories bought within any window that matters, with their last time."""
        times = deciding.customer.get(self._settings.bought)
        if not times:
            return []
        oldest = -np.inf if self._forever else deciding.now - self._horizon
        known = self._categories
        return [
            (known[name], time)
            for name, time in times.items()
            if oldest < time <= deciding.now and name in known
        ]

    def _cart(self, deciding: Deciding) -> list[Category]:
        cart = deciding.context.get(self._settings.cart)
        if not cart:
            return []
        known = self._categories
        return [known[name] for name in dict.fromkeys(cart) if name in known]

    def explain(
        self, deciding: Deciding, drop: Drop, position: int
    ) -> tuple[str, Sequence[Change]]:
        """Name what was bought and when, or what lies in the cart, and until when it counts."""
        unit = int(drop.index[position])
        found = Bought(
            owned=_latest(self._bought(deciding), unit, substitutes=False),
            replaced=_latest(self._bought(deciding), unit, substitutes=True),
            in_cart=tuple(c.name for c in self._cart(deciding) if unit in c.treatments),
        )
        return explain_cross_sell(
            deciding, drop.reason, unit, found, cart=self._settings.cart, clock=self._clock
        )


def _latest(
    bought: Sequence[tuple[Category, float]], unit: int, *, substitutes: bool
) -> tuple[tuple[str, float, float], ...]:
    """(category, time, window) of everything bought that may keep this treatment back."""
    return tuple(
        (category.name, time, window)
        for category, time in bought
        for window, treatments in (category.substitutes if substitutes else category.windows)
        if unit in treatments
    )


CROSS_SELL = StageFactory[CrossSellSettings](
    build=CrossSell, settings=CrossSellSettings, on_error="drop"
)
