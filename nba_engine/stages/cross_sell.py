"""Stage ``cross_sell``: not what was just bought, rather what goes with it."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from nba_engine.domain import Change, Deciding, Drop, Resources, StageFactory
from nba_engine.domain.values import BoolArray, FloatArray, IntArray
from nba_engine.stages.cross_sell_explained import Bought, explain_cross_sell
from nba_engine.stages.relations import Category, relate
from nba_engine.stages.windows import QuietClock

__all__ = ["CROSS_SELL", "CrossSell", "CrossSellSettings"]

_DAY = 86_400.0


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
        candidates = deciding.candidates
        owned = _Mask(self._size)
        replaced = _Mask(self._size)
        raised = _Raised(self._size)
        for category, time in bought:
            age = now - time
            for window, treatments in category.windows:
                if age < window:
                    owned.add(treatments)
            for window, treatments in category.substitutes:
                if age < window:
                    replaced.add(treatments)
            if age < self._window and len(category.complements):
                raised.add(category, self._number[category.name])
        in_cart = _Mask(self._size)
        for category in cart:
            in_cart.add(category.treatments)
            if len(category.complements):
                raised.add(category, self._number[category.name])
        if owned.mask is not None:
            candidates.drop(owned.mask[candidates.index], "bought_recently")
        if replaced.mask is not None:
            candidates.drop(replaced.mask[candidates.index], "substitute_bought")
        if in_cart.mask is not None:
            candidates.drop(in_cart.mask[candidates.index], "in_cart")
        self._raise(deciding, raised, bought)

    def _raise(
        self, deciding: Deciding, raised: _Raised, bought: Sequence[tuple[Category, float]]
    ) -> None:
        candidates = deciding.candidates
        index = candidates.index
        gain: FloatArray | None = None
        if raised.strength is not None:
            gain = self._settings.boost * raised.strength
            source = raised.source[index]
            hit = np.flatnonzero(source >= 0)
            codes = candidates.reason_codes
            for treatment, code in zip(
                index[hit].tolist(), self._codes[source[hit]].tolist(), strict=True
            ):
                codes[treatment] = codes.get(treatment, ()) + code
        for category, time in bought:
            for upgrade in category.upgrades:
                if upgrade.owned_for > 0 and deciding.now - time >= upgrade.owned_for:
                    continue
                if gain is None:
                    gain = np.zeros(self._size)
                gain[upgrade.treatments] += self._settings.upgrade_boost
                for treatment in upgrade.treatments.tolist():
                    candidates.add_reason(treatment, f"upgrade_of:{upgrade.action}")
        if gain is not None:
            weight = np.minimum(1.0 + gain[index], self._settings.max_weight)
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


class _Mask:
    """A set of treatments that is only made when something gets in."""

    __slots__ = ("_size", "mask")

    def __init__(self, size: int) -> None:
        self._size = size
        self.mask: BoolArray | None = None

    def add(self, treatments: IntArray) -> None:
        if self.mask is None:
            self.mask = np.zeros(self._size, dtype=np.bool_)
        self.mask[treatments] = True


class _Raised:
    """Summed strength per treatment, and the category it owes most to."""

    __slots__ = ("_best", "_size", "source", "strength")

    def __init__(self, size: int) -> None:
        self._size = size
        self.strength: FloatArray | None = None

    def add(self, category: Category, number: int) -> None:
        if self.strength is None:
            self.strength = np.zeros(self._size)
            self._best = np.zeros(self._size)
            self.source: IntArray = np.full(self._size, -1, dtype=np.intp)
        at, strengths = category.complements, category.strengths
        self.strength[at] += strengths
        better = at[strengths > self._best[at]]
        self._best[at] = np.maximum(self._best[at], strengths)
        self.source[better] = number


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
