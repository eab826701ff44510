"""Stage ``cross_sell``: not what was just bought, rather what goes with it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec
import numpy as np

from nba_engine.domain import Change, Deciding, Drop, Resources, StageFactory
from nba_engine.domain.bits import unpacked
from nba_engine.domain.fitted import ReorderPrior, Wait, wait_of
from nba_engine.domain.values import FloatArray
from nba_engine.stages.cross_sell.explained import Bought, Purchase, explain_cross_sell
from nba_engine.stages.cross_sell.relations import Category, relate
from nba_engine.stages.limits import QuietClock

__all__ = ["CROSS_SELL", "CrossSell", "CrossSellSettings"]

_DAY = 86_400.0
_COMPLEMENT_OF = "complement_of"  # a column of reason codes
_REASONS = ("bought_recently", "substitute_bought", "in_cart")


class CrossSellSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of `CrossSell`.

    ``table``: a complement table of ``[tables]``, "" for none. ``bought``: the aggregate (last, by
    category) that tells when something was bought. ``reorder``: the aggregate (reorder, by category)
    that tells when it is needed again. ``cart``: the context attribute that lists what lies in the
    cart. ``window_days``: how long a purchase raises its complements. ``boost``: the
    weight gained per unit of strength; ``upgrade_boost``: for upgrades of what is owned;
    ``relation_strength``: of a ``complements`` relation in the catalog; ``max_weight``: the bound.
    """

    table: str = ""
    bought: str = "last_bought"
    reorder: str = "reorder"
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
        self._actions = len(catalog.actions)
        self._categories = relate(catalog, table, settings.relation_strength)
        self._window = settings.window_days * _DAY
        owned = [a.owned_for for a in catalog.actions]
        self._forever = any(a.upgrades_to and a.owned_for <= 0 for a in catalog.actions)
        self._horizon = max([self._window, *owned])
        spec = catalog.aggregates.get(settings.reorder)
        prior = None if spec is None else spec.prior
        self._cycles = prior if isinstance(prior, ReorderPrior) else None
        if self._cycles is not None and any(a.reorder for a in catalog.actions):
            self._forever = True  # a customer's own cycle may be longer than any window
        self._clock = QuietClock(catalog)
        self._codes = tuple(f"complement_of:{name}" for name in self._categories)

    def apply(self, deciding: Deciding) -> None:
        """Drop, then raise."""
        now = deciding.now
        bought = self._bought(deciding)
        cart = self._cart(deciding)
        if not bought and not cart:
            return
        owned = replaced = in_cart = 0
        going: list[Category] = []
        for category, time in bought:
            age = now - time
            for window, treatments in category.windows:
                if age < window:
                    owned |= treatments
            if category.used_up:
                wait = self._wait(deciding, category)
                for window, treatments in category.used_up:
                    if age < (window if wait is None else wait.offered * _DAY):
                        owned |= treatments
            for window, treatments in category.substitutes:
                if age < window:
                    replaced |= treatments
            if age < self._window and len(category.complements):
                going.append(category)
        for category in cart:
            in_cart |= category.treatments
            if len(category.complements):
                going.append(category)
        if owned or replaced or in_cart:
            self._drop(deciding, owned, replaced, in_cart)
        gain = self._complements(deciding, going) if going else None
        self._weigh(deciding, self._upgrades(deciding, bought, gain))

    def _wait(self, deciding: Deciding, category: Category) -> Wait | None:
        """When this customer is likely to need it again; None: nobody can tell."""
        if self._cycles is None or deciding.state is None:
            return None
        cells = deciding.state.aggregates.get(self._settings.reorder)
        cell = cells.get(category.name) if isinstance(cells, dict) else None
        return None if cell is None else wait_of(self._cycles, category.name, cell)

    def _drop(self, deciding: Deciding, owned: int, replaced: int, in_cart: int) -> None:
        """Drop by bitsets; the first of the three reasons wins."""
        code = unpacked(owned, self._size)
        if replaced := replaced & ~owned:
            code += 2 * unpacked(replaced, self._size)
        if in_cart := in_cart & ~(owned | replaced):
            code += 3 * unpacked(in_cart, self._size)
        candidates = deciding.candidates
        candidates.drop_each(code.view(np.int8)[candidates.index], _REASONS)

    def _complements(self, deciding: Deciding, going: Sequence[Category]) -> FloatArray:
        """What complements gain, by action; each is told by the category it owes most to."""
        actions = np.concatenate([category.complements for category in going])
        strengths = np.concatenate([category.strengths for category in going])
        numbers = np.concatenate([category.sources for category in going])
        order = strengths.argsort()
        source = np.full(self._actions, -1.0)
        source[actions[order]] = numbers[order]  # of several, the last and strongest stays
        candidates = deciding.candidates
        candidates.words[_COMPLEMENT_OF] = self._codes
        candidates[_COMPLEMENT_OF] = source[deciding.catalog.action_of[candidates.index]]
        summed = np.bincount(actions, weights=strengths, minlength=self._actions)
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
                    gain = np.zeros(self._actions)
                gain[upgrade.better] += self._settings.upgrade_boost
                for treatment in upgrade.treatments:
                    deciding.candidates.add_reason(treatment, f"upgrade_of:{upgrade.action}")
        return gain

    def _weigh(self, deciding: Deciding, gain: FloatArray | None) -> None:
        if gain is None:
            return
        candidates = deciding.candidates
        by_action = np.minimum(1.0 + gain, self._settings.max_weight)
        weight = by_action[deciding.catalog.action_of[candidates.index]]
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

    def _used_up(
        self, deciding: Deciding, category: Category, time: float, unit: int
    ) -> Iterator[Purchase]:
        wait = self._wait(deciding, category)
        for window, treatments in category.used_up:
            if (treatments >> unit) & 1:
                if wait is None:
                    yield Purchase(category.name, time, window)
                else:
                    yield Purchase(category.name, time, wait.offered * _DAY, wait.usual)

    def explain(
        self, deciding: Deciding, drop: Drop, position: int
    ) -> tuple[str, Sequence[Change]]:
        """Name what was bought and when, or what lies in the cart, and until when it counts."""
        unit = int(drop.index[position])
        found = Bought(
            owned=tuple(
                purchase
                for category, time in self._bought(deciding)
                for purchase in (
                    *_keeping(category, category.windows, time, unit),
                    *self._used_up(deciding, category, time, unit),
                )
            ),
            replaced=tuple(
                purchase
                for category, time in self._bought(deciding)
                for purchase in _keeping(category, category.substitutes, time, unit)
            ),
            in_cart=tuple(c.name for c in self._cart(deciding) if (c.treatments >> unit) & 1),
        )
        return explain_cross_sell(
            deciding, drop.reason, unit, found, cart=self._settings.cart, clock=self._clock
        )


def _keeping(
    category: Category, windows: Sequence[tuple[float, int]], time: float, unit: int
) -> Iterator[Purchase]:
    """A purchase, once per window in which it may keep this treatment back."""
    for window, treatments in windows:
        if (treatments >> unit) & 1:
            yield Purchase(category.name, time, window)


CROSS_SELL = StageFactory[CrossSellSettings](
    build=CrossSell, settings=CrossSellSettings, on_error="drop"
)
