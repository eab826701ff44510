"""What a customer is worth: numbers fitted by `nba value fit`, applied to one customer's purchases.

The models are those of `nba_engine.learning.value`, where their sources are; here they are closed
forms and one series, without a statistics package, in some ten microseconds. Times are in days.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import msgspec
import numpy as np

from nba_engine.domain.purchase_days import PurchaseDays, days_in, read_days

__all__ = [
    "DROPOUT",
    "PURCHASE_DAYS",
    "VALUE_NAMES",
    "PurchaseModel",
    "PurchaseModelKind",
    "SpendModel",
    "ValueModel",
    "ValueName",
    "ValueSpec",
    "ValueTerms",
    "beside_pole",
    "expected_purchases",
    "expected_spend",
    "p_alive",
    "value_measure",
]

PurchaseModelKind = Literal["bg_nbd", "mbg_nbd", "gamma_poisson", "recent_rate"]
ValueName = Literal[
    "purchase_days", "expected_purchases", "p_alive", "expected_spend", "ad_budget", "win_back"
]
VALUE_NAMES: tuple[ValueName, ...] = ValueName.__args__  # type: ignore[attr-defined]
PURCHASE_DAYS: ValueName = "purchase_days"  # the state that the others are read from
DROPOUT: tuple[PurchaseModelKind, ...] = ("bg_nbd", "mbg_nbd")  # models with an end

_POLE = 1e-3  # this close to a = 1 the formula for expected purchases loses digits
_TERMS = 400_000  # of the series, when the horizon is thousands of times the age


class PurchaseModel(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Rates are gamma(``r``, ``alpha`` days), dropouts beta(``a``, ``b``) for those that have them.

    ``window``: of ``recent_rate``, how many of the last days count.
    """

    kind: PurchaseModelKind
    r: float
    alpha: float
    a: float = 0.0
    b: float = 0.0
    window: int = 0


class SpendModel(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Gamma-Gamma: ``p``, ``q``, and ``gamma`` in money."""

    p: float
    q: float
    gamma: float


class ValueModel(msgspec.Struct, frozen=True, kw_only=True):
    """What was fitted. ``alive`` None: nobody slips away; ``spend`` None: no amounts are known."""

    purchases: PurchaseModel
    alive: PurchaseModel | None = None
    spend: SpendModel | None = None


class ValueTerms(msgspec.Struct, frozen=True, kw_only=True):
    """What the catalog says of value; ``horizon`` in days, shares of revenue, money per customer.

    ``win_back_below``: P(alive) under which a customer with ``win_back_purchases`` is one to win back.
    """

    horizon: float
    cost_of_goods: float
    margin: float
    floor: float = 0.0
    cap: float = math.inf
    new_customer: float = 0.0
    win_back_below: float = 0.3
    win_back_purchases: int = 2


class ValueSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One of the values, and what it is computed with; ``model`` None: nothing was fitted yet."""

    name: ValueName
    terms: ValueTerms
    model: ValueModel | None = None


def value_measure(spec: ValueSpec, state: Any, now: float) -> float | bool | None:
    """A value of the customer with this state of `domain.purchase_days`; None: it cannot be told.

    Whoever never bought has ``new_customer`` as advertising budget, and so has everybody as long as
    nothing was fitted, or no amounts are known.
    """
    terms, model = spec.terms, spec.model
    bought = None if state is None else read_days(state, now)
    if spec.name == "win_back":
        if bought is None or model is None or bought.repeats + 1 < terms.win_back_purchases:
            return False
        return p_alive(model, bought) < terms.win_back_below
    if bought is None or model is None:
        return terms.new_customer if spec.name == "ad_budget" else None
    if spec.name == "p_alive":
        return p_alive(model, bought)
    if spec.name == "expected_spend":
        return expected_spend(model, bought)
    purchases = expected_purchases(model.purchases, bought, state, now, terms.horizon)
    if spec.name == "expected_purchases":
        return purchases
    spend = expected_spend(model, bought)
    return terms.new_customer if spend is None else _budget(terms, purchases * spend)


def _budget(terms: ValueTerms, revenue: float) -> float:
    left = revenue * (1.0 - terms.cost_of_goods - terms.margin)
    return min(max(left, terms.floor), terms.cap)


def p_alive(model: ValueModel, bought: PurchaseDays) -> float:
    """P(has not dropped out); 1.0 where nobody slips away."""
    if model.alive is None:
        return 1.0
    return _alive(model.alive, bought)


def expected_spend(model: ValueModel, bought: PurchaseDays) -> float | None:
    """Expected money per purchase; None: no amounts are known.

    Fader, Hardie and Lee 2005, "RFM and CLV", equation 5.
    """
    spend = model.spend
    if spend is None:
        return None
    paid = bought.repeats if bought.mean_amount > 0 else 0
    below = spend.p * paid + spend.q - 1.0
    if below <= 0:
        return None
    return spend.p * (spend.gamma + paid * bought.mean_amount) / below


def expected_purchases(
    model: PurchaseModel, bought: PurchaseDays, state: Any, now: float, days: float
) -> float:
    """Expected days with a purchase among the next ``days``."""
    x, age = bought.repeats, bought.age
    if model.kind == "recent_rate":
        x, age = days_in(state, now, model.window), min(age, model.window)
    if model.kind in ("gamma_poisson", "recent_rate"):
        return (model.r + x) / (model.alpha + age) * days
    alive = _alive(model, bought)
    told = (share * _if_alive(model, a, bought, days) for a, share in beside_pole(model.a))
    return alive * math.fsum(told)


def beside_pole(a: float) -> Sequence[tuple[float, float]]:
    """Where to evaluate what has a removable pole at 1 to know it at ``a``: (place, share) each.

    At ``a`` itself, or by the cubic through four places beside the pole (Lagrange).
    """
    if abs(a - 1.0) >= _POLE:
        return ((a, 1.0),)
    places = [1.0 + k * _POLE for k in (-2, -1, 1, 2)]
    return [
        (one, math.prod((a - other) / (one - other) for other in places if other != one))
        for one in places
    ]


def _alive(model: PurchaseModel, bought: PurchaseDays) -> float:
    """Fader, Hardie and Lee 2005, from equation 6; Batislam et al. 2007."""
    x, once = bought.repeats, _once(model)
    if not x and not once:
        return 1.0
    longer = (model.r + x) * math.log((model.alpha + bought.age) / (model.alpha + bought.recency))
    odds = math.log(model.a / (model.b + x - 1.0 + once)) + longer
    return 1.0 / (1.0 + math.exp(odds)) if odds < 700.0 else 0.0


def _if_alive(model: PurchaseModel, a: float, bought: PurchaseDays, days: float) -> float:
    """Equation 10 without its denominator.

    2F1(A, B; C; z) = (1 - z)^(C-A-B) · 2F1(C-A, C-B; C; z) (Euler): of the two series the one that is
    bounded, so that nothing overflows.
    """
    since = model.alpha + bought.age
    rate, chances = model.r + bought.repeats, model.b + _once(model) + bought.repeats
    c = a + chances - 1.0
    one, other = (rate, chances) if a - 1.0 > rate else (c - rate, a - 1.0)
    series = _gauss(one, other, c, days / (since + days))
    kept = math.pow(since / (since + days), min(rate, a - 1.0))
    return c / (a - 1.0) * (1.0 - kept * series)


def _once(model: PurchaseModel) -> int:
    """How many chances to drop out come with the first purchase."""
    return 1 if model.kind == "mbg_nbd" else 0


def _gauss(a: float, b: float, c: float, z: float) -> float:
    """The hypergeometric series 2F1(a, b; c; z) for 0 ≤ z < 1."""
    total, last, start, size = 1.0, 1.0, 0, 64
    settled = max(0.0, -a, -b, -c)  # from here on all terms have one sign
    while start < _TERMS:
        n = np.arange(start, start + size, dtype=np.float64)
        terms = last * np.cumprod((a + n) * (b + n) / ((c + n) * (n + 1.0)) * z)
        total += float(terms.sum())
        last = float(terms[-1])
        start += size
        if start > settled and abs(last) <= 1e-17 * abs(total):
            break
        size = min(2 * size, 8_192)
    return total
