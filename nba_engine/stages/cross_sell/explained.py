"""Why cross-selling dropped a candidate, in sentences, and what would have to change."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from nba_engine.domain import Change, Deciding
from nba_engine.domain.words import enumerated, with_changes
from nba_engine.stages.limits import QuietClock
from nba_engine.stages.supposing import Supposed, impossible
from nba_engine.stages.wording import days, moment, named, parts, subject

__all__ = ["Bought", "Purchase", "explain_cross_sell"]

_DAY = 86_400.0


class Purchase(NamedTuple):
    """A purchase, and for how many seconds it keeps others back.

    ``usual``: days after which this customer usually buys it again; 0: that is not known, the window
    is the catalog's.
    """

    category: str
    time: float
    window: float
    usual: float = 0.0


class Bought(NamedTuple):
    """What may keep one treatment back."""

    owned: tuple[Purchase, ...]
    replaced: tuple[Purchase, ...]
    in_cart: tuple[str, ...]


def explain_cross_sell(
    deciding: Deciding, reason: str, unit: int, found: Bought, *, cart: str, clock: QuietClock
) -> tuple[str, Sequence[Change]]:
    """A sentence for ``reason``; changes for everything that keeps the treatment back."""
    catalog, now = deciding.catalog, deciding.now
    owned = [each for each in found.owned if now - each.time < each.window]
    replaced = [each for each in found.replaced if now - each.time < each.window]
    why = {
        "bought_recently": enumerated([f"{_said(deciding, each)}" for each in owned]),
        "substitute_bought": enumerated([_said(deciding, each) for each in replaced])
        + ", which takes its place",
        "in_cart": f"{enumerated([named(catalog, name) for name in found.in_cart])} "
        "already lies in the cart",
    }
    supposed = Supposed(deciding)
    until = max([each.time + each.window for each in (*owned, *replaced)], default=now)
    if until > now:
        supposed.wait(clock.opens(parts(deciding, unit)[2], until), "decide")
    if found.in_cart:
        others = [each for each in deciding.context.get(cart, ()) if each not in found.in_cart]
        text = f"{enumerated([named(catalog, name) for name in found.in_cart])} leaves the cart"
        supposed.add([Change(kind="context", target=cart, value=others, text=text)])
    sentence = f"{subject(deciding, unit)} was left out because {why.get(reason, reason)}"
    if not supposed.settle(unit, clock):
        changes = impossible(
            "by the time it may be offered, its season or its rules are against it"
        )
        return with_changes(f"{sentence}.", changes), changes
    return with_changes(f"{sentence}.", supposed.changes), supposed.changes


def _said(deciding: Deciding, purchase: Purchase) -> str:
    category, time, window, usual = purchase
    catalog, now = deciding.catalog, deciding.now
    if usual:
        return (
            f"the customer bought {named(catalog, category)} {days(now - time)} ago, usually again "
            f"after {days(usual * _DAY)}, which counts until {moment(catalog, time + window, now)}"
        )
    return (
        f"the customer bought {named(catalog, category)} at {moment(catalog, time, now)}, which "
        f"counts until {moment(catalog, time + window, now)}"
    )
