"""Why cross-selling dropped a candidate, in sentences, and what would have to change."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from nba_engine.domain import Change, Deciding
from nba_engine.domain.words import enumerated, with_changes
from nba_engine.stages.limits import QuietClock
from nba_engine.stages.supposing import Supposed, impossible
from nba_engine.stages.wording import moment, named, parts, subject

__all__ = ["Bought", "explain_cross_sell"]

# (category, time of the purchase, seconds that it keeps others back)
Purchase = tuple[str, float, float]


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
    owned = [each for each in found.owned if now - each[1] < each[2]]
    replaced = [each for each in found.replaced if now - each[1] < each[2]]
    why = {
        "bought_recently": enumerated([f"{_said(deciding, each)}" for each in owned]),
        "substitute_bought": enumerated([_said(deciding, each) for each in replaced])
        + ", which takes its place",
        "in_cart": f"{enumerated([named(catalog, name) for name in found.in_cart])} "
        "already lies in the cart",
    }
    supposed = Supposed(deciding)
    until = max([time + window for _, time, window in (*owned, *replaced)], default=now)
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
    category, time, window = purchase
    catalog, now = deciding.catalog, deciding.now
    return (
        f"the customer bought {named(catalog, category)} at {moment(catalog, time, now)}, which "
        f"counts until {moment(catalog, time + window, now)}"
    )
